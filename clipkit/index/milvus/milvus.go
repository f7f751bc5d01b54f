// Package milvus keeps an index.Index in Milvus: for sets that one machine does not hold.
//
//	x, err := milvus.Open(ctx, milvus.Config{Address: "localhost:19530", Name: "flickr", Model: modelHash, Dim: 512})
//	err = index.Build(ctx, x, items, encode, progress)
//	hits, err := x.Search(ctx, index.Query{Vector: v, Model: modelHash, K: 10, Filter: map[string]string{"split": "test"}})
//
// It is a module of its own, because Milvus's client brings more than 500 others, which nobody else should have to load. In a program beside this
// repository:
//
//	go work init . path/to/repository path/to/repository/clipkit/index/milvus
//
// In a notebook, two cells before the one that imports it:
//
//	!*go work use "$CLIPKIT_ROOT/clipkit/index/milvus"
//
//	%goworkfix
//
// # Server
//
// A cluster or a standalone Milvus 2.4 or later; Username, Password and APIKey of [Config] are the client's. To try it with, and in the tests,
// Milvus Lite speaks the same protocol in one process (no cluster was at hand). It is no measure of Milvus's speed, and takes one writer at a time:
//
//	pip install milvus-lite==3.2.2 pymilvus==3.0.2
//	milvus-lite server --data-dir milvus-data --host 127.0.0.1 --max-workers 1
//
// # What is kept
//
// A collection clipkit_<name> of id, v (HNSW, inner product) and tags: for each tag a digest of its name and value, 128 bits, so that any text
// is a tag and no filter needs quoting. A property of the collection says which model's vectors they are. A search sees every write that was
// acknowledged before it (consistency level Strong).
//
// Limits: K at most 16,384 (larger is searched as that). An Add of more than 1,000 items is several requests; it is acknowledged when all are.
// Errors are those of package index.
package milvus

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/milvus-io/milvus/client/v2/entity"
	milvusindex "github.com/milvus-io/milvus/client/v2/index"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	"clipnb/clipkit/index"
)

// Config says where an index is and what it holds.
type Config struct {
	Address                    string // host:port, or https://… for TLS
	Username, Password, APIKey string
	Database                   string // "" = the default one
	Name                       string // letters, digits and _; at most 40
	Model                      string // hash of the checkpoint that makes the vectors
	Dim                        int
	EF                         int // candidates that a search of the graph keeps; 0 = 200, and never fewer than K
}

// Index is one collection.
type Index struct {
	config     Config
	collection string

	mu     sync.RWMutex // held for reading by calls, so that Close waits
	client *milvusclient.Client
}

var (
	_        index.Index    = (*Index)(nil)
	_        index.Finisher = (*Index)(nil)
	goodName                = regexp.MustCompile(`^[A-Za-z0-9_]{1,40}$`)
)

// dial keeps quiet connections quiet: the client's own pings, every 5 seconds, make servers hang up on it during a long CreateIndex.
var dial = []grpc.DialOption{
	grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Minute, Timeout: time.Minute}),
	grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
		MinConnectTimeout: 3 * time.Second,
	}),
	grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(256 << 20)),
}

// property of a collection says whose vectors it holds: the model's hash behind ofModel, so that no server takes it for a number.
const (
	property = "clipkit.index"
	ofModel  = "model:"
)

// Open opens an index, and makes it where there is none of that name.
func Open(ctx context.Context, c Config) (*Index, error) {
	if err := index.CheckModel(c.Model, c.Dim); err != nil {
		return nil, err
	}
	if !goodName.MatchString(c.Name) {
		return nil, fmt.Errorf("%w: an index is called %.60q; use up to 40 letters, digits and _", index.ErrValue, c.Name)
	}
	if c.EF == 0 {
		c.EF = 200
	}
	client, err := milvusclient.New(ctx, &milvusclient.ClientConfig{Address: c.Address, Username: c.Username, Password: c.Password, APIKey: c.APIKey,
		DBName: c.Database, DialOptions: dial})
	if err != nil {
		return nil, fmt.Errorf("opening the index %s: connecting to Milvus at %s: %w", c.Name, c.Address, err)
	}
	x := &Index{config: c, collection: "clipkit_" + c.Name, client: client}
	if err := x.openCollection(ctx); err != nil {
		client.Close(ctx)
		return nil, fmt.Errorf("opening the index %s: %w", c.Name, err)
	}
	return x, nil
}

// openCollection makes the collection if it is not there, checks that it is this model's, and has it loaded.
func (x *Index) openCollection(ctx context.Context) error {
	there, err := x.client.HasCollection(ctx, milvusclient.NewHasCollectionOption(x.collection))
	if err != nil {
		return err
	}
	if !there {
		if err := x.create(ctx); err != nil {
			return err
		}
	}
	described, err := x.client.DescribeCollection(ctx, milvusclient.NewDescribeCollectionOption(x.collection))
	if err != nil {
		return err
	}
	if err := x.check(described); err != nil {
		return err
	}
	return x.load(ctx)
}

func (x *Index) load(ctx context.Context) error {
	task, err := x.client.LoadCollection(ctx, milvusclient.NewLoadCollectionOption(x.collection))
	if err != nil {
		return err
	}
	return task.Await(ctx)
}

// released tells that the server has the collection no longer loaded: Milvus Lite after a restart, or because someone released it.
func (x *Index) released(ctx context.Context) bool {
	state, err := x.client.GetLoadState(ctx, milvusclient.NewGetLoadStateOption(x.collection))
	return err == nil && state.State == entity.LoadStateNotLoad
}

func (x *Index) create(ctx context.Context) error {
	schema := entity.NewSchema().WithName(x.collection).
		WithField(entity.NewField().WithName("id").WithDataType(entity.FieldTypeInt64).WithIsPrimaryKey(true)).
		WithField(entity.NewField().WithName("v").WithDataType(entity.FieldTypeFloatVector).WithDim(int64(x.config.Dim))).
		WithField(entity.NewField().WithName("tags").WithDataType(entity.FieldTypeArray).WithElementType(entity.FieldTypeVarChar).
			WithMaxLength(digestLength).WithMaxCapacity(index.MaxTags))
	return x.client.CreateCollection(ctx, milvusclient.NewCreateCollectionOption(x.collection, schema).
		WithConsistencyLevel(entity.ClStrong).WithProperty(property, ofModel+x.config.Model).
		WithIndexOptions(milvusclient.NewCreateIndexOption(x.collection, "v", milvusindex.NewHNSWIndex(entity.IP, 16, 200))))
}

func (x *Index) check(c *entity.Collection) error {
	model, ok := strings.CutPrefix(c.Properties[property], ofModel)
	if !ok {
		return fmt.Errorf("%w: the collection %s has no property %s, so it is no index of clipkit; use another name", index.ErrOtherModel, x.collection, property)
	}
	if model != x.config.Model {
		return fmt.Errorf("%w: it holds vectors of the model %.12q, this one is %.12q; use another name, or open it as what it is and Drop it",
			index.ErrOtherModel, model, x.config.Model)
	}
	for _, f := range c.Schema.Fields {
		if f.Name == "v" {
			if dim, err := f.GetDim(); err != nil || dim != int64(x.config.Dim) {
				return fmt.Errorf("%w: it has dimension %d, not %d", index.ErrShape, dim, x.config.Dim)
			}
		}
	}
	return nil
}

func (x *Index) Model() string { return x.config.Model }
func (x *Index) Dim() int      { return x.config.Dim }

// Close closes the connection, after those calls that have begun.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.client == nil {
		return nil
	}
	err := x.client.Close(context.Background())
	x.client = nil
	return err
}

// call lets do use the client, a second time where the collection had to be loaded again, and says what was being done when it fails.
func (x *Index) call(ctx context.Context, doing string, do func(*milvusclient.Client) error) error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.client == nil {
		return fmt.Errorf("%w: %s", index.ErrClosed, x.config.Name)
	}
	err := do(x.client)
	if err != nil && x.released(ctx) {
		if err = x.load(ctx); err == nil {
			err = do(x.client)
		}
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // gRPC has an error of its own for it
	}
	if err != nil {
		return fmt.Errorf("index %s: %s: %w", x.config.Name, doing, err)
	}
	return nil
}

// Finish writes what is in the server's memory into segments, which get their graphs.
func (x *Index) Finish(ctx context.Context) error {
	return x.call(ctx, "building the graph", func(c *milvusclient.Client) error {
		task, err := c.Flush(ctx, milvusclient.NewFlushOption(x.collection))
		if err != nil {
			return err
		}
		return task.Await(ctx)
	})
}

// Drop removes the collection and closes the index.
func (x *Index) Drop(ctx context.Context) error {
	err := x.call(ctx, "dropping", func(c *milvusclient.Client) error {
		return c.DropCollection(ctx, milvusclient.NewDropCollectionOption(x.collection))
	})
	if err != nil {
		return err
	}
	return x.Close()
}
