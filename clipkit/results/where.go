package results

import (
	"fmt"

	"clipnb/clipkit/dataset"
)

// measuredOn is the set that a row is of, and what is said of it. Only what is in a set makes it a published one (dataset.Recognise), not the name of its
// folder.
func measuredOn(data *dataset.Dataset) (set, status string) {
	if at, _ := dataset.LocationOf(data.ReportSplit()); at.Path == "emoji" {
		return "emoji", measuredHere + " on emoji (embedded set, not Flickr30k-CN)"
	}
	if p, ok := dataset.Recognise(data); ok {
		return p.Name, measuredHere + " on " + p.Name
	}
	split := data.ReportSplit()
	status = fmt.Sprintf("%s on %d pictures with %d captions of the folder %s", measuredHere, len(split.ImageIDs()), len(split.Texts()), data.Name)
	if p, named := dataset.FindPublished(data.Name); named {
		return "a set in the folder " + data.Name, status + fmt.Sprintf(", which is not the published %s: %s", p.Name, p.Differs(data))
	}
	return data.Name, status + ", a set of one's own"
}
