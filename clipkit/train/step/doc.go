// Package step is one optimizer step of contrastive training: what forward, loss.backward(), optimizer.step() and the clamp of the logit scale are
// in the reference's loop (cn_clip/training/train.py:175-262).
//
//	s, err := step.New(m, step.Config{Beta1: 0.9, Beta2: 0.98, Epsilon: 1e-6, WeightDecay: 0.2})
//	defer s.Close()
//	res, err := s.Step(images, ids, n, lr, seed)  // images [n,3,R,R], ids [n,T]; res has loss, accuracies and logit scale
//
// The files, in the order of a step:
//
//	stepper.go     Stepper: what it holds, and the order of a step
//	batch.go       a batch on the host and in a graph; what is drawn for it (dropout, masked patches)
//	accumulate.go  features of micro-batches, then their gradients (package train/compiled compiles both)
//	ranks.go       the reference's ranks, over processes; package train/batchnorm has BatchNorm's statistics, train/loss what is minimised
//	stop.go        where a step can be given up, leaving everything as it was
//	scaler.go      the loss scale of float16 (package train/lossscale)
//	update.go      AdamW (package train/adamw) by graphs, inplace.go where the values lie
//	many.go        several devices of one process, moments whole or sharded
//	lora.go        low-rank additions (package train/lora) instead of whole matrices
//
// Losses, gradients and parameters after ten steps are PyTorch's (internal/golden/testdata/parity.md). Stepper.Gradients reads gradients out.
//
// On 2 and 4 parts of a processor ("cpu:0-3") losses and gradients are those of one device; it has not yet run on several GPUs.
//
// Errors: ErrConfig names a bad setting as config.json does; ErrDiverged is a loss that is no number, and the model is then as it was.
package step
