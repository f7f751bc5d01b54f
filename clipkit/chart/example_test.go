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

func ExampleOverlay() {
	slow := []experiment.Row{{Kind: "train", Step: 1, Loss: 2.3}, {Kind: "train", Step: 2, Loss: 2.2}}
	fast := []experiment.Row{{Kind: "train", Step: 1, Loss: 2.3}, {Kind: "train", Step: 2, Loss: 1.4}}
	c := chart.Overlay(chart.Loss, chart.Run{Name: "lr 1e-5", Rows: slow}, chart.Run{Name: "lr 5e-5", Rows: fast})
	fmt.Println(strings.Contains(c.HTML(), "B lr 5e-5: 训练 · train"))
	// Output: true
}

func ExampleConfusion() {
	c := chart.Confusion([]string{"猫", "狗"}, [][]int{
		{48, 2}, // of fifty cats, two were taken for dogs
		{5, 45},
	})
	svg := c.SVG() // a file for a paper; chart.Page makes one to click through
	fmt.Println(strings.Contains(string(svg), "Confusion matrix"))
	// Output: true
}

func ExampleSimilarities() {
	c := chart.Similarities([]float64{0.38, 0.41, 0.35}, []float64{0.12, 0.2, 0.31, 0.18}, 0.33)
	fmt.Println(strings.Contains(c.HTML(), "阈值 · threshold: 0.33"))
	// Output: true
}
