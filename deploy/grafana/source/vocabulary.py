"""The few kinds of panels, queries and variables that the dashboards are made of."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.statetimeline import Panel as StateTimeline
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel = Builder[dashboard.Panel]

TAG = "eunomia"
OVERVIEW, CONTAINER, TIMELINE, AGENT = (f"eunomia-{name}" for name in ("containers", "container", "timeline", "agent"))
"""The dashboards' uids, which links and bookmarks are made of."""
WHERE = 'instance=~"$node", namespace=~"$namespace", pod=~"$pod", container_id=~"$container"'
"""The series that the variables select."""
BY = "container_id, container_name, image, pod, namespace, instance"
"""The labels that name a container."""
NAME = "{{container_name}} {{container_id}}"
RATE = "$__rate_interval"

_PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${datasource}")
_WIDTH, _HEIGHT = 24, 8


def query(expression: str, legend: str = "__auto", *, exemplars: bool = False) -> Dataquery:
    """A query over the time that the dashboard shows."""
    made = Dataquery().expr(expression).legend_format(legend).range().datasource(_PROMETHEUS)
    return made.exemplar(True) if exemplars else made


def now(expression: str, *, legend: str = "__auto", as_table: bool = False) -> Dataquery:
    """A query of the last value."""
    made = Dataquery().expr(expression).legend_format(legend).instant().datasource(_PROMETHEUS)
    return made.format(PromQueryFormat.TABLE) if as_table else made


def rate(metric: str, by: str, where: str = WHERE, window: str = RATE) -> str:
    """A counter's growth a second, by these labels."""
    return f"sum by ({by}) (rate({metric}{{{where}}}[{window}]))"


def more(metric: str, window: str, where: str = WHERE) -> str:
    """By how much a counter has grown. Of one that was not there before it is all of it: `increase` takes the first
    value that it sees for where it began, and the first alert of a rule would be none."""
    chosen = f"{metric}{{{where}}}"
    return f"(({chosen} unless {chosen} offset {window}) or increase({chosen}[{window}]))"


def series(
    title: str, description: str, unit: str, *queries: Dataquery, stacked: bool = False, width: int = _WIDTH // 2
) -> TimeSeries:
    """Lines over time, the legend as a table with last and largest values."""
    legend = (
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    mode = common.StackingMode.NORMAL if stacked else common.StackingMode.NONE
    panel = (
        TimeSeries()
        .title(title)
        .description(description)
        .datasource(_PROMETHEUS)
        .unit(unit)
        .min(0)
        .fill_opacity(30 if stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .stacking(common_builders.StackingConfig().mode(mode))
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
        .legend(legend)
        .span(width)
        .height(_HEIGHT)
    )
    for one in queries:
        panel = panel.with_target(one)
    return panel


def number(
    title: str, description: str, unit: str, expression: str, *, bad_from: float | None = None, width: int = 4
) -> Stat:
    """One number and how it came about; red from a value on."""
    steps = [Threshold(color="green", value=None)]
    if bad_from is not None:
        steps.append(Threshold(color="red", value=bad_from))
    return (
        Stat()
        .title(title)
        .description(description)
        .datasource(_PROMETHEUS)
        .unit(unit)
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .graph_mode(common.BigValueGraphMode.AREA)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(query(expression))
        .span(width)
        .height(4)
    )


def alerts() -> Stat:
    """How many alerts there have been lately."""
    grown = more("eunomia_alerts_total", "1h", f'{WHERE}, level="alert"')
    return number("Alerts", "at level alert, in the last hour", "none", f"sum{grown} or vector(0)", bad_from=1)


def rows(title: str, description: str, columns: dict[str, Dataquery], *, units: dict[str, str], width: int) -> Table:
    """A table: a line for each set of labels, a column for each query by its title; container ids lead further."""
    names = {f"Value #{letter}": name for letter, name in zip("ABCDEFGHIJKL", columns, strict=False)}
    order = [*BY.split(", "), *names]
    panel = (
        Table()
        .title(title)
        .description(description)
        .datasource(_PROMETHEUS)
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": {name: place for place, name in enumerate(order)},
                    "renameByName": names,
                },
            )
        )
        .override_by_name("container_id", [DynamicConfigValue(id_val="links", value=[_to_container("${__value.raw}")])])
        .span(width)
        .height(_HEIGHT + 4)
    )
    for letter, one in zip("ABCDEFGHIJKL", columns.values(), strict=False):
        panel = panel.with_target(one.ref_id(letter))
    for name, unit in units.items():
        panel = panel.override_by_name(name, [DynamicConfigValue(id_val="unit", value=unit)])
    return panel


def states(title: str, description: str, *queries: Dataquery, bad_from: float, width: int = _WIDTH) -> StateTimeline:
    """A strip for each series, coloured where it has a value, red from a value on."""
    steps = [
        Threshold(color="transparent", value=None),
        Threshold(color="yellow", value=bad_from / 1000),
        Threshold(color="red", value=bad_from),
    ]
    panel = (
        StateTimeline()
        .title(title)
        .description(description)
        .datasource(_PROMETHEUS)
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .show_value(common.VisibilityMode.AUTO)
        .merge_values(True)
        .decimals(0)
        .span(width)
        .height(_HEIGHT + 2)
    )
    for one in queries:
        panel = panel.with_target(one)
    return panel


def _to_container(container: str) -> dict[str, object]:
    url = f"/d/{CONTAINER}?var-datasource=${{datasource}}&var-container={container}&${{__url_time_range}}"
    return {"title": "Show this container", "url": url, "targetBlank": False}


def _variable(name: str, label: str, description: str, expression: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .description(description)
        .datasource(_PROMETHEUS)
        .query({"query": expression, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(text="All", value="$__all", selected=True))
    )


def _link(title: str, uid: str) -> DashboardLink:
    return (
        DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .url(f"/d/{uid}")
        .icon("dashboard")
        .tooltip(title)
        .include_vars(True)
        .keep_time(True)
    )


def _of_alerts() -> AnnotationQuery:
    expression = f"sum by (rule, level, container_id, container_name) {more('eunomia_alerts_total', '1m')} > 0"
    return AnnotationQuery().name("Alerts").datasource(_PROMETHEUS).enable(True).icon_color("red").expr(expression)


def page(uid: str, title: str, description: str, *, containers: bool = True) -> Dashboard:
    """An empty dashboard with the variables, the links to the others and the alerts as annotations."""
    made = (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("node", "Node", "the machine", "label_values(eunomia_build_info, instance)"))
    )
    for other, name in ((OVERVIEW, "Containers"), (CONTAINER, "Container"), (TIMELINE, "Timeline"), (AGENT, "Agent")):
        if other != uid:
            made = made.link(_link(name, other))
    if not containers:
        return made
    of = "eunomia_container_pids"
    identified = _variable(
        "container",
        "Container",
        "by name; `host` is everything outside of containers",
        f'query_result({of}{{instance=~"$node", namespace=~"$namespace", pod=~"$pod"}})',
    ).regex('/container_id="(?<value>[^"]+)".*container_name="(?<text>[^"]*)"/')
    return (
        made.with_variable(
            _variable("namespace", "Namespace", "of Kubernetes", f'label_values({of}{{instance=~"$node"}}, namespace)')
        )
        .with_variable(
            _variable("pod", "Pod", "", f'label_values({of}{{instance=~"$node", namespace=~"$namespace"}}, pod)')
        )
        .with_variable(identified)
        .annotation(_of_alerts())
    )
