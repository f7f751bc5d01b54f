package chart_test

import (
	"fmt"
	"strings"

	"clipnb/clipkit/chart"
	"clipnb/clipkit/experiment"
)

func Example() {
	rows := []experiment.Row{
		{Kind: "train", Step: 10, Loss: 2.31, LR: 1e-5, ImagesPerSecond: 180},
		{Kind: "train", Step: 20, Loss: 1.12, LR: 2e-5, ImagesPerSecond: 184},
		{Kind: "valid", Step: 20, Loss: 1.40},
	}
	page, err := chart.Page("表情微调 · finetuning on emoji", chart.Loss(rows), chart.Throughput(rows),
		chart.Table([]string{"Step", "Loss"}, [][]string{{"20", "1.40"}}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Contains(page, "训练损失 · Training loss"), strings.Contains(page, "吞吐量 · Throughput"))
	// Output: true true
}

func ExampleGrid() {
	right := true
	grid := chart.Grid("一只猫", []chart.Picture{
		{Encoded: []byte("GIF89a…"), Caption: "猫 <cat>", Score: 0.42, Right: &right},
	})
	fmt.Println(strings.Contains(grid.HTML(), "猫 &lt;cat&gt;"))
	// Output: true
}
