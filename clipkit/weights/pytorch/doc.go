// Package pytorch reads and writes PyTorch's .pt files as state dicts and checkpoints. Reading never executes anything.
//
//	tensors, ck, err := pytorch.Parse("clip_cn_vit-b-16.pt", data) // ck.Epoch, ck.Optimizer, …; nil for a state dict alone
//	err = pytorch.Write("epoch3.pt", tensors, &pytorch.Checkpoint{Epoch: 3, Step: 1200, Name: "flowers"})
//
// weights.Open maps a file and calls Parse where LooksLike says so.
//
// The state dict is the whole value, or lies under "state_dict", "model_state_dict", "model", "net" or "module". What people keep beside it, sets,
// options, paths, times and numpy's arrays among it, is passed over.
//
// Both containers are read: zip (zip.go, PyTorch 1.6 and later) and legacy (legacy.go). So are TorchScript archives (script.go), every dtype
// of numbers, shared storages and views, Parameters and numpy's scalars, and AdamW's state (optimizer.go). What is written is a zip container
// that torch.load takes with weights_only=True and mmap=True.
//
// # Safety
//
// The pickle in a file is a program. internal/pickle runs it without the ability to call anything but the few functions of globals.go; a
// pickle that names another, os.system for one, is refused with an error that gives the name. A tensor whose strides would unpack to more than
// the file, a storage that claims more than is there, a compressed pickle that grows more than twentyfold, more than 100,000 tensors or 200,000 entries
// are errors, found before memory is taken. The values of the pickle may take 128 MiB (internal/pickle). A file that is something else (a whole pickled
// model, a page of HTML, a pointer of Git LFS, …) is called that.
//
// What the worst files known take of the processor and of memory beside the file (internal/faults), and took before these limits:
//
//	7.5 MB of nested dictionaries    0.2 s  139 MB, refused    (1.8 s, 1160 MB; 34 MB, which 1.7 MB unpacked to, 39 s, 3.8 GB)
//	300,000 entries in 32 MB         0.1 s   71 MB, refused    (0.2 s, 99 MB)
//
// Errors wrap tensor.ErrFormat and name the file, and the tensor or storage. A checkpoint whose optimizer cannot be read is still read:
// Checkpoint.OptimizerError says why.
package pytorch
