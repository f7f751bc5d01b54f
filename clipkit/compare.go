package clipkit

import (
	"context"
	"fmt"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/eval"
	"clipnb/clipkit/exchange"
	"clipnb/clipkit/live"
)

// Compare evaluates two models on one split: the recalls with the 95 % interval of each difference, and the queries that moved.
func Compare(ctx context.Context, before, after *Model, split dataset.Source) (*eval.Comparison, error) {
	skip := live.Skip(exchange.Alone, dataset.SkipBudget, say)
	was, err := before.features(ctx, exchange.Alone, split, "", skip)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", before.source, err)
	}
	is, err := after.features(ctx, exchange.Alone, split, "", skip)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", after.source, err)
	}
	c, err := eval.Compare(was, is, split.Texts(), 1)
	if err != nil {
		return nil, err
	}
	c.Before, c.After, c.Split = before.source, after.source, split.Name()
	return c, nil
}
