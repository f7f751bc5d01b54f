package index

import "context"

// Postgres is pgvector.Open, where a program has package pgvector; else nil.
var Postgres func(ctx context.Context, url, name, model string, dim int) (Index, error)
