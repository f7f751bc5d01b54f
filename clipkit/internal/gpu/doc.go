// Package gpu measures and profiles clipkit beside PyTorch on a GPU, in the few minutes for which one can be had. README.md says what waits for such
// minutes and how a binary is carried to the machine. Everything runs from one test binary:
//
//	go test ./clipkit/internal/gpu -run Measure -v -measure -budget 9m -timeout 0          # from source
//	gpu.test -test.run Measure -measure -budget 9m                                          # the same, made with go test -c
//	gpu.test -test.run Measure -measure -only '^(parity|peak|step/bf16)' -out results       # some sections
//	gpu.test -test.run Measure -profile -out results                                        # where the time goes
//	gpu.test -test.run Measure -list                                                        # the sections, in their order
//	go test ./clipkit/internal/gpu                                                          # a dry run of tiny models on the processor
//
// CLIPKIT_DEVICE is the device, CLIPKIT_TORCH_PYTHON the Python with torch and cn-clip, CLIPKIT_TF32=1 sets TF32 for both sides.
//
// A section is one row of the table, in a process of its own, with its own XLA_FLAGS and a limit of its own; they stand in the order of their worth, and
// none begins that the budget no longer holds. Within a section clipkit, PyTorch eager and torch.compile take turns. What is known is printed at once:
// clipkit alone while the others still compile, then each comparison. So a run that is cut off has lost the section that it was in.
//
// On a processor the sections processor/… are the rows of a table, with each engine beside PyTorch; avx2.sh has a processor with AVX-512 play one without for it:
//
//	go test ./clipkit/internal/gpu -run Measure -v -timeout 0 -measure -budget 1h -only '^peak$|^processor/'
//
// Share of peak is that of the largest product of this run's section "peak", in the precision of the row.
package gpu
