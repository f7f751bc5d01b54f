package train

import (
	"encoding/json"
	"fmt"

	"clipnb/clipkit/exchange"
	"clipnb/clipkit/train/introduction"
)

// compare refuses processes that were started with something else than rank 0.
func (j *Job) compare() error {
	if j.world().Size() == 1 {
		return nil
	}
	mine, err := j.introduce()
	if err := j.agree(err); err != nil {
		return err
	}
	first := introduction.Introduction{}
	if j.world().Rank() == 0 {
		first = mine
	}
	if err := exchange.ShareJSON(j.world(), &first); err != nil {
		return err
	}
	if err = mine.DiffersFrom(first); err != nil {
		err = fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return j.agree(err)
}

func (j *Job) introduce() (i introduction.Introduction, err error) {
	text, err := json.Marshal(j.Config)
	if err == nil {
		err = json.Unmarshal(text, &i.Config)
	}
	if err != nil {
		return i, err
	}
	if i.Weights, err = j.Model.Fingerprint(); err != nil {
		return i, err
	}
	i.Model, i.Validates, i.Teaches = j.Model.Config.Name, j.Validate != nil, j.Teacher != nil
	i.Data = fmt.Sprintf("%s with %d pairs and hash %s", j.Train.Name(), len(j.pairs), introduction.Contents(j.Train, j.pairs))
	return i, nil
}
