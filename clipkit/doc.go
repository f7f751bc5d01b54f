// Package clipkit is Chinese-CLIP in Go: load weights, finetune, evaluate, chart and search, in a program or in a notebook cell.
//
//	ctx := context.Background()
//	data, err := clipkit.OpenDataset(ctx, "emoji")
//	m, err := clipkit.Load(ctx, "emoji")
//	before, err := clipkit.EvaluateRetrieval(ctx, m, data.Test)
//	r, err := clipkit.Recipe("emoji/finetune")
//	run, err := clipkit.Finetune(ctx, m, data, r.Config)
//	after, err := clipkit.EvaluateRetrieval(ctx, m, data.Test)
//	ix, err := clipkit.BuildIndex(ctx, m, data.Test)
//	hits, err := ix.SearchText(ctx, "狗", 8)
//	page, err := clipkit.Explore(ctx, ix, m)   // the retrieval page; later cells: page.Attach(ctx)
//	table, err := m.Export(ctx, "deploy", data.Test, deploy.Options{})   // ONNX files, compared with the model; Load takes the folder
//	clipkit.Show(chart.Loss(run.Rows), report.RecallTable(before, after))
//
// These verbs are all of it. Each is a thin composition of the packages below, where the matter is and where one goes for more:
//
//	recipe                           settings with what they need and reach; published figures
//	dataset (check, loader)          sources of pictures and captions; what will hurt training, said before; batches
//	model, weights                   the graphs and their parameters (Model.Towers); file formats
//	train (step), eval, zeroshot, index   the trainer, recall, classification by labels, stores of vectors
//	chart, report                    figures of rows; tables and grids of what was measured
//	explore, page                    the retrieval page; its process, and what later cells ask of it
//	onnx, deploy (parity), latency   files for other runtimes, folders of them as models, what they lose and how long they take
//	results                          the ModelZoo's results table, made again (it stands above this package)
//
// A notebook cell is a process of its own: what must outlive it is in the run's directory, and Load takes one (or its best checkpoint:
// Load(ctx, "quickstart/best")).
//
// Long work shows a progress line on standard error, and training in a notebook draws its loss; it stops on ctx or Ctrl-C and continues when
// it is called again.
//
// A program that trains on the processor may be built with -tags clipkit_blocks (package device/blocks): steps take less time and memory.
// Notebook cells are, and with -tags clipkit_cell: what few of them use is left out until they import it by name, and an error says what to import.
package clipkit
