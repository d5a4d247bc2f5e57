"""The wheel carries every BPF program, compiled, and nothing of the machine that built it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURES = ("x86", "arm64")
SOURCES = sorted((ROOT / "src").rglob("*.bpf.c"))


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", directory, ROOT)
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def objects(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("objects")
    with zipfile.ZipFile(wheel) as archive:
        return [Path(archive.extract(name, directory)) for name in archive.namelist() if name.endswith(".bpf.o")]


def test_there_are_programs() -> None:
    assert SOURCES


def test_wheel_runs_on_any_machine(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_wheel_holds_an_object_for_each_program_and_architecture(wheel: Path) -> None:
    stems = [source.relative_to(ROOT / "src").as_posix().removesuffix(".bpf.c") for source in SOURCES]
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.endswith(".bpf.o")}
    assert held == {f"{stem}.{arch}.bpf.o" for stem in stems for arch in ARCHITECTURES}


def test_sdist_holds_sources_and_no_objects(tmp_path: Path) -> None:
    _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {source.relative_to(ROOT).as_posix() for source in SOURCES} <= names
    assert "build_bpf.py" in names
    assert not [name for name in names if name.endswith(".bpf.o")]


def test_objects_have_btf_and_no_dwarf(objects: list[Path]) -> None:
    for path in objects:
        data = path.read_bytes()
        assert b".BTF.ext\0" in data, path.name
        assert b".debug_info\0" not in data, path.name


def test_objects_do_not_name_the_build_directory(objects: list[Path]) -> None:
    assert not [path.name for path in objects if str(ROOT).encode() in path.read_bytes()]


def test_no_instruction_is_newer_than_kernel_5_10(objects: list[Path]) -> None:
    # Atomics that give back the old value came with 5.12. Newer compilers choose them by themselves for -mcpu=v3.
    newer = re.compile(r"atomic_fetch|xchg|cmpxchg")
    assert not [path.name for path in objects if newer.search(_run("llvm-objdump", "-d", path))]


def test_wheel_holds_the_default_rules(wheel: Path) -> None:
    directory = ROOT / "src" / "eunomia" / "detect" / "rules"
    with zipfile.ZipFile(wheel) as archive:
        held = {Path(name).name for name in archive.namelist() if name.startswith("eunomia/detect/rules/")}
    assert held == {path.name for path in directory.iterdir()} != set()


def test_wheel_installs_without_compiler(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path, with_pip=False)
    python = tmp_path / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    assert (tmp_path / "bin" / "eunomia").exists()
    (package,) = tmp_path.glob("lib/python3*/site-packages/eunomia")
    assert (package / "cli" / "main.py").exists()
