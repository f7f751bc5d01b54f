package experiment

// metrics are what a validation can be judged by, all but the loss better when larger.
var metrics = []struct {
	name  string
	value func(Row) (value float64, measured bool)
}{
	{"loss", func(r Row) (float64, bool) { return r.Loss, true }},
	{"image_to_text_acc", func(r Row) (float64, bool) { return r.ImageToTextAcc, true }},
	{"text_to_image_acc", func(r Row) (float64, bool) { return r.TextToImageAcc, true }},
	{"text_to_image_r1", func(r Row) (float64, bool) { return r.TextToImage.first() }},
	{"image_to_text_r1", func(r Row) (float64, bool) { return r.ImageToText.first() }},
	{"mean_recall", func(r Row) (float64, bool) { // of R@1, 5 and 10 in both directions
		if r.TextToImage == nil || r.ImageToText == nil {
			return 0, false
		}
		return (r.TextToImage.Mean + r.ImageToText.Mean) / 2, true
	}},
}

func (r *Recall) first() (r1 float64, measured bool) {
	if r == nil {
		return 0, false
	}
	return r.R1, true
}

// Metrics are the names of what a validation can be judged by. Recall is that of the whole validation split, the accuracies are within a batch.
func Metrics() (names []string) {
	for _, m := range metrics {
		names = append(names, m.name)
	}
	return names
}

// Metric is the value of one of Metrics in a row of kind "valid"; false where it was not measured.
func (r Row) Metric(name string) (value float64, measured bool) {
	for _, m := range metrics {
		if m.name == name {
			return m.value(r)
		}
	}
	return 0, false
}

// Better tells whether a value of a metric is better than another.
func Better(metric string, value, than float64) bool {
	if metric == "loss" {
		return value < than
	}
	return value > than
}
