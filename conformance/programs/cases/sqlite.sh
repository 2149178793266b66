# sqlite3: a database with indexes, transactions, a write-ahead log, two processes.
# packages: sqlite3
cd /tmp || exit 1
sqlite3 db <<'END'
pragma journal_mode = wal;
create table t(id integer primary key, name text, value real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000) insert into t select i, 'name ' || i, i * 1.5 from n;
create index by_name on t(name);
select count(*), sum(value), max(name) from t;
select * from t where name = 'name 777';
begin; delete from t where id % 2; rollback;
select count(*) from t;
pragma integrity_check;
END
for i in 1 2 3 4; do sqlite3 -cmd '.timeout 20000' db "insert into t(name) values('process $i')" & done
wait
sqlite3 db "select count(*) from t where name like 'process%'" "select sum(length(name)) from t" 
sqlite3 db 'pragma wal_checkpoint(truncate); vacuum; select count(*) from t'
