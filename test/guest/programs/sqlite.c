/* SQLite with a database file: journal modes, ten thousand rows, queries, a check of the file. */
#include "check.h"

#include <sqlite3.h>

static int print_row(void *unused, int columns, char **values, char **names) {
  (void)unused;
  for (int i = 0; i < columns; i++) printf("%s=%s%c", names[i], values[i] ? values[i] : "NULL", i + 1 < columns ? ' ' : '\n');
  return 0;
}

static void run(sqlite3 *db, const char *sql) {
  char *error = 0;
  if (sqlite3_exec(db, sql, print_row, 0, &error)) printf("%s: %s\n", sql, error);
}

static void insert(sqlite3 *db, int from, int to) {
  sqlite3_stmt *statement;
  sqlite3_prepare_v2(db, "INSERT INTO item VALUES (?, ?, ?)", -1, &statement, 0);
  for (int i = from; i < to; i++) {
    char name[64];
    sprintf(name, "item %d with a name", i * 7919 % 10007);
    sqlite3_bind_int(statement, 1, i);
    sqlite3_bind_text(statement, 2, name, -1, SQLITE_TRANSIENT);
    sqlite3_bind_double(statement, 3, i / 8.0);
    if (sqlite3_step(statement) != SQLITE_DONE) puts(sqlite3_errmsg(db));
    sqlite3_reset(statement);
  }
  sqlite3_finalize(statement);
}

static void with(const char *journal) {
  sqlite3 *db, *other;
  char sql[128];
  SHOW(sqlite3_open("data.db", &db));
  sprintf(sql, "PRAGMA journal_mode=%s", journal);
  run(db, sql);
  run(db, "PRAGMA mmap_size=1000000");
  run(db, "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, value REAL)");
  run(db, "BEGIN");
  insert(db, 0, 10000);
  run(db, "COMMIT");
  run(db, "CREATE INDEX by_name ON item (name)");
  insert(db, 10000, 10020);
  run(db, "SELECT count(*), sum(value), max(name) FROM item");
  run(db, "SELECT * FROM item WHERE name LIKE 'item 99%' ORDER BY name LIMIT 3");
  SHOW(sqlite3_open("data.db", &other));
  run(other, "SELECT count(*) AS seen FROM item");
  run(db, "BEGIN IMMEDIATE");
  run(db, "DELETE FROM item WHERE id % 3 = 0");
  run(other, "INSERT INTO item VALUES (-1, 'locked out', 0)");
  run(db, "ROLLBACK");
  run(other, "UPDATE item SET value = value + 1 WHERE id % 5 = 0");
  run(db, "SELECT sum(value) FROM item");
  run(db, "VACUUM");
  run(db, "PRAGMA integrity_check");
  SHOW(sqlite3_close(other));
  SHOW(sqlite3_close(db));
  SHOW(access("data.db-wal", F_OK));
  SHOW(access("data.db-journal", F_OK));
  struct stat stat;
  SHOW(lstat("data.db", &stat));
  SHOW(stat.st_size);
}

static void wal(void) { with("wal"); }
static void delete_(void) { with("delete"); }
static void memory(void) { with("memory"); }

TESTS({"wal", wal}, {"delete", delete_}, {"memory", memory})
