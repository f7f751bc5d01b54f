package experiment

// Row is one line of metrics.jsonl, the only source that a chart reads. Kind says which fields are set.
//
//	"train"  one logged optimizer step
//	"valid"  in-batch loss and accuracy of the validation split (as cn_clip/training/train.py:334 measures them) and its true recall
//	"note"   something a reader of the run should know (resumed, interrupted, skipped samples)
type Row struct {
	Kind    string `json:"kind"`
	Step    int    `json:"step"`    // optimizer steps done, 1-based
	Epoch   int    `json:"epoch"`   // 1-based
	Samples int64  `json:"samples"` // pairs seen since the start of the run

	Loss           float64 `json:"loss,omitempty"`
	ImageToTextAcc float64 `json:"image_to_text_acc,omitempty"` // in-batch, percent
	TextToImageAcc float64 `json:"text_to_image_acc,omitempty"` // in-batch, percent
	LR             float64 `json:"lr,omitempty"`
	LogitScale     float64 `json:"logit_scale,omitempty"` // the parameter itself, exp of it multiplies the cosines

	DataTime        float64 `json:"data_time,omitempty"`         // seconds waiting for the batch
	BatchTime       float64 `json:"batch_time,omitempty"`        // seconds for the whole step
	ImagesPerSecond float64 `json:"images_per_second,omitempty"` // pairs per second
	PeakShare       float64 `json:"peak_share,omitempty"`        // share of the measured matmul peak, 0 = unknown

	TextToImage *Recall `json:"text_to_image,omitempty"` // kind "valid"
	ImageToText *Recall `json:"image_to_text,omitempty"` // kind "valid"
	LeftOut     int     `json:"left_out,omitempty"`      // kind "valid": pictures that cannot be read, and are in none of its figures

	Note string `json:"note,omitempty"`
}

// Recall holds percentages: the share of queries with a right answer among the first 1, 5, 10 results, and their mean.
type Recall struct {
	R1   float64 `json:"r1"`
	R5   float64 `json:"r5"`
	R10  float64 `json:"r10"`
	Mean float64 `json:"mean_recall"`
}
