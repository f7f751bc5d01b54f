package results

import (
	"fmt"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/recipe"
)

// ModelZoo is the ModelZoo's table with its two columns of accuracy put right (recipe.ModelZoo).
func ModelZoo() (all []Row) {
	for _, r := range recipe.ModelZoo() {
		all = append(all, Row{Model: r.Model, Name: r.Device, Data: "Flickr30k-CN", TextToImage: r.R5.TextToImage, ImageToText: r.R5.ImageToText,
			FPS: r.FPS, Epochs: r.Epochs, BatchSize: r.Batch, Status: "published"})
	}
	return all
}

// AsPrinted is the ModelZoo's table as its document prints it: what it calls image_to_text is text→image, and the other way round.
func AsPrinted() chart.Figure {
	var rows [][]string
	for _, r := range ModelZoo() {
		rows = append(rows, []string{r.Model, r.Name, fmt.Sprint(r.TextToImage.R5), fmt.Sprint(r.ImageToText.R5), figure(r.FPS, 2), fmt.Sprint(r.Epochs), fmt.Sprint(r.BatchSize)})
	}
	return chart.Table([]string{"pretrain_model", "NAME", "image_to_text_R@5", "text_to_image_R@5", "FPS", "Epochs", "batch_size"}, rows)
}

// Figure lists rows in the columns of the ModelZoo's table, named rightly, with the times of its logs in seconds and where each row comes from.
func Figure(all ...Row) chart.Figure {
	var rows [][]string
	for _, r := range all {
		from := r.Status
		if r.Recipe != "" {
			from = r.Recipe + ": " + from
		}
		rows = append(rows, []string{r.Model, r.Name, figure(r.ImageToText.R5, 2), figure(r.TextToImage.R5, 2), figure(r.FPS, 2), fmt.Sprint(r.Epochs), fmt.Sprint(r.BatchSize),
			figure(r.TrainingTime, 3), figure(r.E2ETrainingTime, 0), from})
	}
	return chart.Table([]string{"pretrain_model", "NAME", "image_to_text_R@5", "text_to_image_R@5", "FPS", "Epochs", "batch_size",
		"TrainingTime", "E2ETrainingTime", "来源 · where from"}, rows)
}
