pragma journal_mode = wal;
create table assertion (holds check (holds));
create table t (n integer primary key, word text);
begin;
with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 5000)
insert into t select n, hex(n * 7919) from numbers;
commit;
create index word on t (word);
insert into assertion select count(*) = 5000 from t;
create virtual table texts using fts5(body);
insert into texts values ('least privilege'), ('most privilege');
insert into assertion select count(*) = 1 from texts where texts match 'least';
delete from t where n % 2;
vacuum;
pragma wal_checkpoint(truncate);
pragma journal_mode = delete;
insert into assertion select count(*) = 2500 from t;
insert into assertion select integrity_check = 'ok' from pragma_integrity_check;
