package pgvector

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"clipnb/clipkit/index"
)

// tries bounds how often a write begins again that met another of the same IDs.
const tries = 10

// Len counts the vectors.
func (x *Index) Len(ctx context.Context) (n int, err error) {
	err = x.pool.QueryRow(ctx, "select count(*) from "+x.table).Scan(&n)
	return n, x.failed("counting", err)
}

// Add puts vectors in, in one transaction.
func (x *Index) Add(ctx context.Context, items []index.Item, vectors []float32) error {
	if err := index.CheckItems(x.config.Dim, items, vectors); err != nil {
		return err
	}
	ids := make([]int64, len(items))
	for i, it := range items {
		ids[i] = it.ID
	}
	rows := encode(items, vectors, x.config.Dim)
	for try := 1; ; try++ {
		err := pgx.BeginFunc(ctx, x.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "delete from "+x.table+" where id = any($1)", ids); err != nil {
				return err
			}
			_, err := tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(rows), "copy "+x.table+" (id, tags, v) from stdin (format binary)")
			return err
		})
		if err == nil || !met(err) || try == tries {
			return x.failed("adding", err)
		}
	}
}

// met tells that another transaction wrote the same IDs at the same time: unique_violation, deadlock_detected.
func met(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "23505" || pg.Code == "40P01")
}

// encode makes PostgreSQL's binary COPY of (id bigint, tags jsonb, v vector).
func encode(items []index.Item, vectors []float32, dim int) []byte {
	b := make([]byte, 0, 64+len(items)*(64+4*dim))
	b = append(b, "PGCOPY\n\xff\r\n\x00"...)
	b = append(b, make([]byte, 8)...) // no flags, no more header
	for i, it := range items {
		b = binary.BigEndian.AppendUint16(b, 3)
		b = binary.BigEndian.AppendUint32(b, 8)
		b = binary.BigEndian.AppendUint64(b, uint64(it.ID))
		tags := text(it.Tags)
		b = binary.BigEndian.AppendUint32(b, uint32(1+len(tags)))
		b = append(b, 1) // version of jsonb
		b = append(b, tags...)
		b = binary.BigEndian.AppendUint32(b, uint32(4+4*dim))
		b = binary.BigEndian.AppendUint16(b, uint16(dim))
		b = binary.BigEndian.AppendUint16(b, 0)
		for _, v := range vectors[i*dim : (i+1)*dim] {
			b = binary.BigEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	return binary.BigEndian.AppendUint16(b, 0xffff)
}

// text is tags as JSON.
func text(tags map[string]string) []byte {
	if tags == nil {
		tags = map[string]string{}
	}
	b, err := json.Marshal(tags)
	if err != nil {
		panic(err) // strings always have a form
	}
	return b
}

// Delete takes vectors out.
func (x *Index) Delete(ctx context.Context, ids ...int64) error {
	for try := 1; ; try++ {
		_, err := x.pool.Exec(ctx, "delete from "+x.table+" where id = any($1)", ids)
		if err == nil || !met(err) || try == tries {
			return x.failed("deleting", err)
		}
	}
}

const (
	// fewRows that have the tags of a filter are compared one by one sooner than the graph is followed past those that have not.
	fewRows = 10_000
	// countFor is how long it is remembered whether a filter's rows are few: counting them can take longer than searching.
	countFor = 10 * time.Second
	filters  = 1000 // remembered at most
)

// counted says whether the rows of a filter were few, and until when that is believed.
type counted struct {
	few   bool
	until time.Time
}

func (x *Index) few(ctx context.Context, filter string) (bool, error) {
	x.mu.Lock()
	c, ok := x.counts[filter]
	x.mu.Unlock()
	if ok && time.Now().Before(c.until) {
		return c.few, nil
	}
	var n int
	err := x.pool.QueryRow(ctx, fmt.Sprintf("select count(*) from (select from %s where tags @> $1 limit %d) rows", x.table, fewRows+1), filter).Scan(&n)
	if err != nil {
		return false, err
	}
	c = counted{few: n <= fewRows, until: time.Now().Add(countFor)}
	x.mu.Lock()
	if len(x.counts) >= filters {
		clear(x.counts)
	}
	x.counts[filter] = c
	x.mu.Unlock()
	return c.few, nil
}

// Search follows the graph, or compares the query with each row where that is better.
func (x *Index) Search(ctx context.Context, q index.Query) ([]index.Hit, error) {
	if err := q.Check(x.config.Model, x.config.Dim); err != nil {
		return nil, err
	}
	if q.K <= 0 {
		return nil, ctx.Err()
	}
	if len(q.Filter) == 0 {
		return x.search(ctx, q, "", q.K > maxHits, q.K)
	}
	filter := string(text(q.Filter))
	exact := q.K > maxHits
	if !exact {
		few, err := x.few(ctx, filter)
		if err != nil {
			return nil, x.failed("searching", err)
		}
		exact = few
	}
	if !exact { // the graph gives the first that it meets; the best are among these
		hits, err := x.search(ctx, q, filter, false, max(q.K, x.config.EFSearch/2))
		if err != nil || len(hits) == q.K {
			return hits, err
		}
	}
	return x.search(ctx, q, filter, true, q.K)
}

func (x *Index) search(ctx context.Context, q index.Query, filter string, exact bool, limit int) ([]index.Hit, error) {
	where, args := "", []any{q.Vector}
	if filter != "" {
		where, args = "where tags @> $2", append(args, filter)
	}
	distance := "(v <#> $1::real[]::vector)" // the negative inner product
	order := distance
	if exact {
		order += " + 0" // which no index is of
	}
	rows, err := x.pool.Query(ctx, fmt.Sprintf("select id, -%s from %s %s order by %s limit %d", distance, x.table, where, order, limit), args...)
	if err != nil {
		return nil, x.failed("searching", err)
	}
	hits, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h index.Hit, err error) {
		var score float64
		err = row.Scan(&h.ID, &score)
		h.Score = float32(score)
		return h, err
	})
	index.Order(hits)
	return hits[:min(q.K, len(hits))], x.failed("searching", err)
}

// Vectors fetches the vectors of IDs.
func (x *Index) Vectors(ctx context.Context, ids ...int64) (map[int64][]float32, error) {
	out := map[int64][]float32{}
	rows, err := x.pool.Query(ctx, "select id, v::real[] from "+x.table+" where id = any($1)", ids)
	if err != nil {
		return nil, x.failed("fetching vectors", err)
	}
	var id int64
	var v []float32
	_, err = pgx.ForEachRow(rows, []any{&id, &v}, func() error { out[id] = append([]float32(nil), v...); return nil })
	return out, x.failed("fetching vectors", err)
}

// Missing asks which IDs are not there.
func (x *Index) Missing(ctx context.Context, ids ...int64) ([]int64, error) {
	rows, err := x.pool.Query(ctx, "select id from unnest($1::bigint[]) with ordinality u (id, n) where not exists (select from "+x.table+
		" t where t.id = u.id) order by n", ids)
	if err != nil {
		return nil, x.failed("looking for IDs", err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return missing, x.failed("looking for IDs", err)
}
