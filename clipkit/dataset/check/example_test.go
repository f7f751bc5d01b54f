package check_test

import (
	"context"
	"fmt"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/dataset/check"
)

func Example() {
	data, err := dataset.Open("../testdata/raw")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer data.Close()
	report, err := check.Dataset(context.Background(), &dataset.Dataset{Name: "raw", Test: data.Test}, check.Options{BatchSize: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(report)
	// Output:
	// raw, checked for batches of 4, pictures read by their headers
	// test: 6 pictures (6 distinct), 6 captions, 8 pairs (6 distinct captions)
	//   - 4 pictures have a side under 32 pixels: image 301, 30×28; image 302, 35×31; image 3, 30×40; image 306, 35×28.
	//     Advice: enlarged, they show the model a blur; take larger versions.
	//   - a batch of 4 holds 0.9 false negatives on average (rows that share picture or caption), so in-batch accuracy cannot exceed 89%, however good the model.
	//     Advice: judge by recall and not by in-batch accuracy; take out duplicates, or use a loss with several positives.
}
