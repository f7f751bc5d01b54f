package clipkit

import (
	"context"
	"errors"
	"fmt"
	"os"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/internal/repo"
	"clipnb/clipkit/recipe"
)

// OpenDataset opens "emoji", the set that is compiled in; a published set by name ("Flickr30k-CN", "MUGE", "COCO-CN"), which lies under
// datasets/; a folder in the reference's layout (LMDB, or tsv and jsonl); or pictures with captions, parquet, tar shards, … in a form that package dataset lists.
// A relative path is looked up in the working directory, then in the repository and its datasets/ folder.
func OpenDataset(ctx context.Context, path string) (*dataset.Dataset, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if path != "emoji" {
		path = repo.Find(path)
		if _, err := os.Stat(path); err != nil {
			if p, ok := dataset.FindPublished(path); ok {
				return dataset.OpenPublished(repo.Root(), p.Name)
			}
		}
	}
	return dataset.Open(path)
}

// Recipe is a named configuration with what it needs and reaches; fmt.Println prints it, Show shows it as a table. Change the fields of its Config as
// you like before Finetune. recipe.All lists them.
func Recipe(name string) (recipe.Recipe, error) { return recipe.Find(name) }

// LoadFor gives the model that a recipe begins with: its weights, or random ones.
func LoadFor(ctx context.Context, r recipe.Recipe, opts ...Option) (*Model, error) {
	if r.Weights == "" {
		return New(ctx, r.Architecture, r.Config.Seed, opts...)
	}
	return Load(ctx, r.Weights, opts...)
}

// OpenFor gives the data set that a recipe trains on.
func OpenFor(ctx context.Context, r recipe.Recipe) (*dataset.Dataset, error) {
	if r.Data == "" {
		return nil, fmt.Errorf("recipe %s: it is for pictures of your own; set Data (data=… of the notebook) to a folder that OpenDataset opens", r.Name)
	}
	data, err := OpenDataset(ctx, r.Data)
	if err != nil {
		return nil, fmt.Errorf("recipe %s: %w", r.Name, err)
	}
	if data.Train == nil {
		return nil, errors.Join(fmt.Errorf("recipe %s: %s has no train split", r.Name, r.Data), data.Close())
	}
	return data, nil
}
