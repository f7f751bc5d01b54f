// Package faults is the list of what a person, a file, a disk or a network can do wrong, and of the tests that show what happens then. README.md is the
// table. A test makes it of the comments that tests carry:
//
//	// A file that is cut anywhere is refused.
//	// fault 4, 19.9
//	func TestTruncatedAtEveryLength(t *testing.T) {
//
// go test ./clipkit/internal/faults -update writes the table anew. A fault that has no test is a failure.
//
// The worst files known for the readers are here too, with the time and memory that each takes: go test ./clipkit/internal/faults -run Worst -v.
package faults

import "strings"

// fault is something that goes wrong, and what is to happen then.
type fault struct{ number, what, then string }

// list reads lines "number what → then".
func list(text string) (faults []fault) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		number, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		what, then, _ := strings.Cut(rest, " → ")
		faults = append(faults, fault{number, what, then})
	}
	return faults
}

// sections of the table: a heading, and its faults.
var sections = []struct {
	heading string
	faults  []fault
}{
	{"Files and weights", list(`
1 .pt whose pickle calls os.system → error that names it; nothing executed
2 .pt with an offset, strides or sizes beyond its storage → error before memory is taken
3 .pt as a zip bomb, with a million entries, a cut directory, ../ in names → refused by limits; names are never paths
4 truncated .pt or safetensors, at any length → the error says so
5 safetensors with a header of 2⁶³ bytes, overlap, hole, name twice, unknown type, overflow → an error each, little memory
6 right file, wrong architecture → missing, unexpected and misshapen names, and which architecture fits; nothing loaded in part
7 NaN or infinity in weights → found with the tensor's name and their number; an opt-in goes on
8 download interrupted, without ranges, a page of HTML, wrong hash → resumed or begun again; never bad bytes under the final name
9 a file of an earlier download is damaged → found by its hash, moved away, fetched again, or a clear error offline
10 ONNX whose data lie at ../, an absolute path, a link, beyond the file → refused
11 runtime library missing or of another version → the path that was tried and the command that mends it; no silent change of device`)},
	{"Data", list(`
12 JPEG truncated, empty, with another ending, a page of HTML → skipped with its name and reason, counted
13 PNG of 50,000 × 50,000, a strip of 65,535 × 1, a single pixel → refused by the header; small ones are read
14 CMYK, 16 bits, palette with alpha, EXIF rotation, animation, progressive → Pillow's pixels
15 base64 in another alphabet, without padding, with line breaks → read, or an error with the line
16 JSONL with BOM, CRLF, bad UTF-8, long lines, missing fields, absent pictures → an error with file and line; the first twenty, all counted
17 captions that are empty, all emoji, 10,000 characters, with NUL or marks → the reference's tokens
18 captions or pictures that repeat → warned of, with the ceiling on accuracy
19 pictures of training in validation → warned of, with their number
20 less data than a batch, a batch of 1, none → a defined result; an error for none
21 LMDB half built, larger than its map, cut, being written → an error, no end of the process
22 LMDB whose pair is a hostile pickle → only numbers and text are read
23 tar with paths that lead out, sparse, twins missing, huge members → skipped; nothing is written to the disk
24 a picture that vanishes, a slow disk, read errors → tried three times, skipped within the budget, then a checkpoint and the end`)},
	{"Training", list(`
25 kill -9 at any moment → the run goes on and ends in the same bits
26 disk full, quota, read-only folder while saving → the checkpoint before stays; nothing half written is left
27 a bit of the newest checkpoint flipped, no manifest → found, the one before is taken, and said
28 resume with another configuration → refused with the difference; forced, it is recorded
29 two processes on one run → the second refuses and names the first; a dead one's lock is taken over
30 loss NaN or infinite, a jump of the gradient → skipped as often as configured, then the end, with the samples
31 more memory than there is → said before compilation, with what would fit
32 the clock jumps, the machine sleeps → no negative time left
33 interrupt, restarted kernel, a cell twice → a checkpoint; the second run goes on; no goroutine is left
34 the device fails in the middle → an error with the step, a checkpoint kept, another exit code than 0
35 accumulated batches against one large → the same gradients`)},
	{"Evaluation, charts, service", list(`
36 many captions, ties, NaN, ids twice or missing → the reference's recall; NaN is an error
37 features of another checkpoint or type → refused
38 markup in captions → inert text
39 no network → charts and pages are complete; nothing leaves the machine
40 a torn last line of metrics.jsonl, NaN in it → left out and said; a gap in the chart
41 bodies of a gigabyte, slow clients, thousands at once, bad forms, bombs → refused quickly; the others are served
42 addresses and paths in questions → refused; nothing is fetched
43 an address beyond this machine without a token → refused; the token is compared in constant time and not logged
44 k of 0 or beyond all, NaN in a query, an empty index, a cut one → an error, no panic
45 paths with spaces, Chinese, very long, loops of links, read-only → they work, or the error is clear`)},
	{"Under attack (issue 19)", list(`
19.1 another process rewrites an LMDB that is read → an error says so; no wrong pictures
19.2 kill while a step is saved that exists → at each moment one whole checkpoint; a whole unfinished save is adopted
19.3 a mapped index or weights file is cut short while it is used → a typed error; the process lives on
19.4 a bit of downloaded weights flips → found when they are used
19.5 a test of kills in which no kill lands → fails
19.6 read errors → three tries with a pause; the last step is saved when the budget ends; samples of a loss that is not finite are named
19.7 NaN in weights → found when they are loaded or converted
19.8 a resume that is forced; a lock whose file system has none → recorded; not said to be in use
19.9 files that take far more time or memory than their size → budgets, and documented limits that hold
19.10 dependencies with known faults → versions that have none; checked in CI
19.11 pipes, sockets and devices in the place of files → refused, never waited for
19.12 slow clients, frames of other origins, tokens that can be seen → the others are served; refused; hidden
19.13 the allocator under large requests, double frees, forks → memory does not grow for ever; no hang
19.14 a failed or stopped cell → ends Run all`)},
}
