// Package train finetunes or pretrains a model with the reference's recipe: symmetric contrastive loss, AdamW with the reference's
// parameter groups, linear warm-up and cosine learning rate, clamped logit scale (SPEC §5).
//
//	cfg := train.Default(m.Config)
//	cfg.Name, cfg.BatchSize, cfg.MaxEpochs, cfg.LR = "mine", 64, 3, 5e-5
//	job := train.Job{Model: m, Train: data.Train, Config: cfg, Run: run}
//	err := job.Do(ctx)
//
// What a step can do besides, each a field of Config:
//
//	AccumFreq     a batch of k micro-batches with the loss of the whole (accumulate.go)
//	MaskRatio     FLIP: a ViT sees a random part of each picture's patches
//	FreezeVision  only the text tower and the logit scale train
//	KDLossWeight  image features are drawn to those of Job.Teacher, for example the EncodeImages of a larger model
//
// Stepper makes single steps without files or data sets, and Stepper.Gradients reads gradients out.
//
// A step is one compiled graph (with AccumFreq three). The order of samples, the augmentation, the masks and the dropout are pure
// functions of (seed, epoch, index), so a run that was interrupted continues with the very next batch and ends in the same weights as one
// that was not.
//
// Cancelling ctx saves a checkpoint and returns an error that wraps ErrInterrupted; calling Do again with the same run directory continues.
// Errors: ErrConfig names a bad setting, ErrDiverged a loss that is no longer a number (the last checkpoint stays good).
package train
