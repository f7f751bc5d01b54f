package milvus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/milvus-io/milvus/client/v2/column"
	"github.com/milvus-io/milvus/client/v2/entity"
	milvusindex "github.com/milvus-io/milvus/client/v2/index"
	"github.com/milvus-io/milvus/client/v2/milvusclient"

	"clipnb/clipkit/index"
)

const (
	digestLength = 32
	rowsInCall   = 1000   // with their vectors; servers bound the size of a request
	idsInCall    = 10_000 // without
	maxHits      = 16_384 // Milvus's own limit
)

// digest stands for a tag.
func digest(name, value string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(name), name, value))
	return hex.EncodeToString(sum[:digestLength/2])
}

// digests are those of tags, sorted.
func digests(tags map[string]string) []string {
	out := []string{}
	for name, value := range tags {
		out = append(out, digest(name, value))
	}
	slices.Sort(out)
	return out
}

// Len counts the vectors.
func (x *Index) Len(ctx context.Context) (n int, err error) {
	err = x.call(ctx, "counting", func(c *milvusclient.Client) error {
		rs, err := c.Query(ctx, milvusclient.NewQueryOption(x.collection).WithOutputFields("count(*)").WithConsistencyLevel(entity.ClStrong))
		if err != nil {
			return err
		}
		count := rs.GetColumn("count(*)")
		if count == nil || count.Len() != 1 {
			return fmt.Errorf("the server's answer has no count")
		}
		v, err := count.GetAsInt64(0)
		n = int(v)
		return err
	})
	return n, err
}

// Add puts vectors in.
func (x *Index) Add(ctx context.Context, items []index.Item, vectors []float32) error {
	dim := x.config.Dim
	if err := index.CheckItems(dim, items, vectors); err != nil {
		return err
	}
	return x.call(ctx, "adding", func(c *milvusclient.Client) error {
		rest := vectors
		for part := range slices.Chunk(items, rowsInCall) {
			ids, rows, tags := make([]int64, len(part)), make([][]float32, len(part)), make([][]string, len(part))
			for i, it := range part {
				ids[i], rows[i], tags[i] = it.ID, rest[i*dim:(i+1)*dim], digests(it.Tags)
			}
			rest = rest[len(part)*dim:]
			_, err := c.Upsert(ctx, milvusclient.NewColumnBasedInsertOption(x.collection, column.NewColumnInt64("id", ids),
				column.NewColumnFloatVector("v", dim, rows), column.NewColumnVarCharArray("tags", tags)))
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// Delete takes vectors out.
func (x *Index) Delete(ctx context.Context, ids ...int64) error {
	return x.call(ctx, "deleting", func(c *milvusclient.Client) error {
		for part := range slices.Chunk(ids, idsInCall) {
			if _, err := c.Delete(ctx, milvusclient.NewDeleteOption(x.collection).WithInt64IDs("id", part)); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// Search follows the graph.
func (x *Index) Search(ctx context.Context, q index.Query) (hits []index.Hit, err error) {
	if err := q.Check(x.config.Model, x.config.Dim); err != nil {
		return nil, err
	}
	k := min(q.K, maxHits)
	if k <= 0 {
		return nil, ctx.Err()
	}
	err = x.call(ctx, "searching", func(c *milvusclient.Client) error {
		ask := milvusclient.NewSearchOption(x.collection, k, []entity.Vector{entity.FloatVector(q.Vector)}).WithANNSField("v").
			WithConsistencyLevel(entity.ClStrong).WithAnnParam(milvusindex.NewHNSWAnnParam(max(x.config.EF, k)))
		var must []string
		for _, d := range digests(q.Filter) {
			must = append(must, fmt.Sprintf("array_contains(tags, %q)", d))
		}
		if len(must) > 0 {
			ask = ask.WithFilter(strings.Join(must, " and "))
		}
		sets, err := c.Search(ctx, ask)
		if err != nil || len(sets) == 0 || sets[0].Err != nil || sets[0].ResultCount == 0 {
			if err == nil && len(sets) > 0 {
				err = sets[0].Err
			}
			return err
		}
		for i, score := range sets[0].Scores {
			id, err := sets[0].IDs.GetAsInt64(i)
			if err != nil {
				return err
			}
			hits = append(hits, index.Hit{ID: id, Score: score})
		}
		return nil
	})
	index.Order(hits)
	return hits, err
}

// fetch asks for the rows of IDs, some at a time.
func (x *Index) fetch(ctx context.Context, doing string, ids []int64, atOnce int, fields []string, take func(milvusclient.ResultSet) error) error {
	return x.call(ctx, doing, func(c *milvusclient.Client) error {
		for part := range slices.Chunk(ids, atOnce) {
			rs, err := c.Query(ctx, milvusclient.NewQueryOption(x.collection).WithIDs(column.NewColumnInt64("id", part)).WithOutputFields(fields...).
				WithConsistencyLevel(entity.ClStrong))
			if err == nil && rs.ResultCount > 0 {
				err = take(rs)
			}
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// Vectors fetches the vectors of IDs.
func (x *Index) Vectors(ctx context.Context, ids ...int64) (map[int64][]float32, error) {
	out := map[int64][]float32{}
	err := x.fetch(ctx, "fetching vectors", ids, rowsInCall, []string{"id", "v"}, func(rs milvusclient.ResultSet) error {
		vectors, ok := rs.GetColumn("v").(*column.ColumnFloatVector)
		if !ok {
			return fmt.Errorf("the server's answer has no vectors")
		}
		for i, v := range vectors.Data() {
			id, err := rs.GetColumn("id").GetAsInt64(i)
			if err != nil {
				return err
			}
			out[id] = v
		}
		return nil
	})
	return out, err
}

// Missing asks which IDs are there.
func (x *Index) Missing(ctx context.Context, ids ...int64) ([]int64, error) {
	there := map[int64]bool{}
	err := x.fetch(ctx, "looking for IDs", ids, idsInCall, []string{"id"}, func(rs milvusclient.ResultSet) error {
		for i := range rs.ResultCount {
			id, err := rs.GetColumn("id").GetAsInt64(i)
			if err != nil {
				return err
			}
			there[id] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return there[id] }), nil
}
