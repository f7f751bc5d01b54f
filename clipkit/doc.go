// Package clipkit is Chinese-CLIP in Go: load weights, finetune, evaluate, chart and search, in a program or in a notebook cell.
//
//	ctx := context.Background()
//	data, err := clipkit.OpenDataset(ctx, "emoji")
//	m, err := clipkit.Load(ctx, "emoji")
//	before, err := clipkit.EvaluateRetrieval(ctx, m, data.Test)
//	cfg := clipkit.Must(clipkit.Recipe("emoji/finetune"))
//	run, err := clipkit.Finetune(ctx, m, data, cfg)
//	after, err := clipkit.EvaluateRetrieval(ctx, m, data.Test)
//	ix, err := clipkit.BuildIndex(ctx, m, data.Test)
//	hits, err := ix.SearchText(ctx, "狗", 8)
//	page, err := clipkit.Explore(ctx, ix, m)   // the retrieval page; later cells: clipkit.Attach(ctx)
//	clipkit.Show(chart.Loss(run.Rows))
//
// Recipes are settings with a promise of what they need and reach: fmt.Println(clipkit.Must(clipkit.FindRecipe("own/vit-b-16"))) says how to
// train on pictures of your own.
//
// Each verb is a thin composition of the sub-packages (dataset, model, train, eval, index, chart, experiment), where the matter is and
// where one goes for more. A notebook cell is a process of its own: what must outlive it is in the run's directory, and Load takes one
// (or its best checkpoint: Load(ctx, "quickstart/best")).
//
// Long work shows a progress line on standard error, and training in a notebook draws its loss; it stops on ctx or Ctrl-C and continues when
// it is called again.
package clipkit
