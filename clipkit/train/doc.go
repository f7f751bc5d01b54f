// Package train finetunes or pretrains a model with the reference's recipe: symmetric contrastive loss, AdamW with the reference's
// parameter groups, linear warm-up and cosine learning rate, clamped logit scale (cn_clip/training/{main,train,scheduler}.py).
//
//	cfg := train.Default(m.Config)
//	cfg.Name, cfg.BatchSize, cfg.MaxEpochs, cfg.LR = "mine", 64, 3, 5e-5
//	job := train.Job{Model: m, Train: data.Train, Config: cfg, Run: run}
//	err := job.Do(ctx)
//
// Package step makes single steps without files or data sets: loss, gradients, AdamW.
//
// A step is one compiled graph (with accum_freq or world_size three) for each length of texts. The order of samples, the augmentation, the masks and the
// dropout are pure functions of (seed, epoch, index), so a run that was interrupted or killed continues with the very next batch and ends in
// the same weights, to the bit, as one that was not.
//
// # Settings
//
// Every flag of the reference's training program, and the key of the Config (ParseConfig, config.json) that it is, or where else it went:
//
//	--train-data --val-data        Job.Train, Job.Validate (nil: no validation)
//	--num-workers                  workers
//	--valid-num-workers            none: eval.Extract uses every processor
//	--logs --name                  the root given to experiment.Open, and name
//	--log-interval                 log_interval
//	--report-training-batch-acc    always reported
//	--batch-size                   batch_size
//	--valid-batch-size             valid_batch_size
//	--max-steps --max-epochs       max_steps, max_epochs
//	--valid-step-interval          valid_step_interval
//	--valid-epoch-interval         valid_epoch_interval
//	--context-length               context_length
//	--lr --beta1 --beta2 --eps     lr, beta1, beta2, eps
//	--wd --warmup                  weight_decay, warmup
//	--use-bn-sync                  use_bn_sync; a ResNet's with several ranks needs one process that drives all devices (cuda:0-7)
//	--use-augment                  augment, crop_scale
//	--skip-scheduler               skip_scheduler
//	--save-epoch-frequency         save_epoch_interval
//	--save-step-frequency          save_step_interval
//	--resume                       resume; a run that exists continues without
//	--reset-optimizer              reset_optimizer
//	--reset-data-offset            reset_data_offset
//	--precision                    precision, "f32" for fp32 and "amp" for amp: "bf16" where the engine has it, else "f16" with a scaled
//	                               loss (model.Mixed); none for fp16, whose weights are float16
//	--vision-model --text-model    arch.Lookup, arch.Parse
//	--clip-weight-path             weights.LoadInit, before the run
//	--bert-weight-path             the same
//	--mask-ratio                   mask_ratio
//	--freeze-vision                freeze_vision
//	--grad-checkpointing           grad_checkpointing
//	--use-flash-attention          none: the engine fuses; its checkpoints load
//	--accum-freq                   accum_freq
//	--gather-with-grad             gather_with_grad
//	--skip-aggregate               skip_aggregate
//	torchrun's --nproc_per_node    world_size, times --nnodes
//	--debug                        none: Job.Say and Job.Progress tell everything
//	--seed                         seed
//	--distillation                 kd_loss_weight above 0
//	--teacher-model-name           Job.Teacher: EncodeImages of another model
//	--kd_loss_weight               kd_loss_weight
//
// What the reference does not have:
//
//	loss, siglip_bias              the sigmoid loss instead of the symmetric cross-entropy (package loss)
//	multi_positive                 equal pictures and equal captions in a batch are right answers, not false negatives
//	layer_lr_decay                 lower blocks learn more slowly
//	micro_batch                    a batch is computed in parts, where memory is short, with the same step (parts.go)
//	lora_rank, lora_alpha          only low-rank additions train (package lora)
//	trim_text                      padding that a whole batch has is left out: the same loss for less work; on by default
//	best_metric, patience          the best checkpoint is kept apart, and a run ends when it gets no better (best.go)
//	spike_factor                   a jump of the loss ends the run; one that is not a number does too, but for nan_budget
//	keep_checkpoints               older ones are removed
//	save_minutes                   besides, the first step that ends so long after the last checkpoint is saved (30)
//	skip_budget                    broken samples that a run bears
//	nan_budget                     steps without a finite loss that a run leaves out
//	force                          a run goes on with other settings than it had, and keeps what changed
//
// 0 turns off whatever has an interval or a share. No key is read and then ignored.
//
// # Ranks and processes
//
// world_size is how many ranks the reference would have been started with: part of what is computed, with the reference's equations for the three ways
// to gather (step/ranks.go), its order of pairs on every rank, and its number of steps. How many processes compute it is another matter
// (Job.World), and no part of a run's identity: any number that divides world_size × accum_freq. Each takes its micro-batches of a step in turns, so 8
// ranks are 8 processes with one each, 2 with four, or 1 with eight, and a run that stopped goes on with another number, at the very next pairs. All
// have the same step: in the same bits with the same number of processes, and else within the noise of adding floats in another order.
//
// Every process has the data, and a Job of its own with the same of everything; they compare settings, data and weights at the start. Only rank 0
// reads and writes the run. When one is told to stop, all do in the same place. The budget of bad pairs is one for all. BatchNorm's
// running statistics are those of rank 0's batches, as DistributedDataParallel has it. Two things of the reference are not followed: it passes the
// batches at an epoch's end that fill no step through the model too, which moves those statistics and nothing else; and with a teacher and
// gather_with_grad it compares pictures on ranks above 0 with the teacher's features of other pictures (cn_clip/training/train.py:59 and :95).
//
// # Checkpoints
//
// A run that exists in its directory continues at its newest whole checkpoint; a damaged one is said aloud and the one before is taken.
// A new run begins at resume: a .pt of the reference with its optimizer's state, epoch and step; a checkpoint or a run of ours; or weights
// alone, such as the published files, from step 0. A .pt from the middle of an epoch goes on there, where the reference would skip to the next
// epoch. With lora_rank the model of a continued run has to be the one it began with.
//
// With save_minutes, kill -9, a power cut or a full disk costs half an hour and no more. Such a checkpoint is there besides keep_checkpoints, until the next.
//
// # Stopping
//
// Cancelling ctx ends a run within its micro-batch: between the passes of a step, while pictures load, between the batches of a validation. A step that has
// all its gradients is finished, any other given up as if it had not begun, so the last whole step is saved, and said. Nobody waits for a compiler. A validation
// that was interrupted is made up for when the run goes on.
//
// # Several devices
//
// A model on "cuda:0-7" trains on all of these devices in one process (step/many.go): the same settings, steps and checkpoints as on one, and either goes on
// where the other stopped. world_size says of how many ranks of the reference the batch is, as everywhere: with 8 each device has one rank's pairs; with 1
// the pairs of batch_size divide over them. shard_moments leaves each device a part of AdamW's moments.
//
// # Memory
//
// EstimateMemory says what a run will take before anything is compiled, its loader, compiler, validations and saves included; Do refuses a run that cannot
// fit and names what would help (Fit), as it is typed. A save reads one tensor after the other from the device, and the loader holds the pixels of the
// step that is computed and a few micro-batches of the next.
//
// # Disk
//
// What the checkpoints will take is said before the first step, and refused where they do not fit. A disk that fills up meanwhile costs no finished step:
// the oldest checkpoint makes room where several are kept, else training goes on to the next save and says so each time, or stops, as on_failed_save says.
// The newest whole checkpoint, and the best, never go. Moments are saved whole, in float32, with every checkpoint: half of their bits, or moments of an
// earlier step, would make a resumed run another one.
//
// # Errors
//
// ErrInterrupted says that ctx ended the run, and after which step it was saved; calling Do again with the same run directory continues.
// ErrConfig names a bad setting, ErrDiverged a loss that is no longer a number or that jumped (the last checkpoint is from before), ErrMemory
// a run that would not fit, ErrDisk one whose checkpoints would not.
package train
