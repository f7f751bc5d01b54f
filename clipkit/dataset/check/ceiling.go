package check

// inBatch says what repeats do to a batch that is drawn from n pairs without replacement, as a shuffled epoch's batches are.
// pictures[i] and captions[i] number the distinct picture and caption of pair i; a batch larger than n counts as n.
//
// falseNegatives is the expected number of couples of rows that share picture or caption: two rows that the loss pushes apart although
// they belong together. Of each kind of couple a batch holds the share batch(batch−1)/n(n−1).
//
// ceiling is what in-batch accuracy cannot exceed on average, in both directions and however good the model is. Rows of equal
// captions tie for every picture, and rows of equal pictures choose the same caption, so of each only one can be right: the
// right rows are a matching between the distinct pictures and the distinct captions of the batch, and no larger than either. The expected
// number of distinct ones is the sum over them of 1 − (probability that none of its m pairs is drawn).
func inBatch(pictures, captions []int32, batch int) (falseNegatives, ceiling float64) {
	n := len(pictures)
	if batch = min(batch, n); batch < 1 {
		return 0, 1
	}
	type both struct{ picture, caption int32 }
	byPicture, byCaption, byBoth := make(map[int32]int), make(map[int32]int), make(map[both]int)
	for i := range n {
		byPicture[pictures[i]]++
		byCaption[captions[i]]++
		byBoth[both{pictures[i], captions[i]}]++
	}
	if n > 1 {
		couples := countCouples(byPicture) + countCouples(byCaption) - countCouples(byBoth)
		falseNegatives = couples * float64(batch) / float64(n) * float64(batch-1) / float64(n-1)
	}
	return falseNegatives, min(expectedDistinct(byPicture, n, batch), expectedDistinct(byCaption, n, batch)) / float64(batch)
}

func countCouples[K comparable](groups map[K]int) float64 {
	sum := 0 // in whole numbers, so that the order of the map does not show
	for _, m := range groups {
		sum += m * (m - 1) / 2
	}
	return float64(sum)
}

// expectedDistinct is the expected number of groups that a batch touches. It sums by size, for the same reason.
func expectedDistinct(groups map[int32]int, n, batch int) float64 {
	largest := 0
	for _, m := range groups {
		largest = max(largest, m)
	}
	ofSize := make([]int, largest+1)
	for _, m := range groups {
		ofSize[m]++
	}
	expected, untouched := 0.0, 1.0 // C(n−m, batch) / C(n, batch)
	for m := 1; m <= largest; m++ {
		untouched *= max(0, float64(n-batch-m+1)) / float64(n-m+1)
		expected += float64(ofSize[m]) * (1 - untouched)
	}
	return expected
}
