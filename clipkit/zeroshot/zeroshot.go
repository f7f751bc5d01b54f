// Package zeroshot measures zero-shot classification: pictures in classes that the model knows by their names alone, with the reference's
// templates, classifier and result, and the files that ELEVATER's benchmark takes.
//
//	set, err := zeroshot.Open("datasets/cifar-100")                            // class folders, ELEVATER's folders, CIFAR-100's own files
//	set := zeroshot.ByCaption(data.Test, nil)                                  // any split with captions
//	c, err := zeroshot.NewClassifier(ctx, w, m, set.Labels(), zeroshot.ChineseTemplates, 52, nil) // w is exchange.Alone, or ranks that share the work
//	r, err := zeroshot.Classify(ctx, w, m, set, c, skip, nil, nil)                 // r.Top1(), r.PerClass(), r.Confusion
//
// Each label is put into every template ("一张{}的照片"), the texts are prepared as captions are and encoded, and the mean of their unit
// vectors is the class's. A picture belongs to the class of the greatest cosine. That is zeroshot_evaluation.py of Chinese-CLIP, with its
// templates where a file of them is given ([ReadTemplates]), its order of class folders and the pixels of its ImageFolder.
// [Predictions] are what it hands in to ELEVATER, byte for byte but for a model's last digits.
//
// # Errors and limits on outside bytes
//
// Labels, templates, folders and predictions that are not what they should be are [ErrInput], with file and line or picture. A class folder
// without pictures, folders whose numbers are not padded and a blank line of labels are errors, because each would give classes the labels of
// others. Files of labels and templates have at most 16 MiB, files of predictions 1 GiB, a picture 64 MiB; links do not lead out of a folder.
package zeroshot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"clipnb/clipkit/dataset"
	"clipnb/clipkit/imaging"
	"clipnb/clipkit/internal/repo"
)

// ErrInput is wrapped when labels, templates, a set or saved predictions are not what they should be.
var ErrInput = errors.New("zero-shot classification")

// Set is pictures of which each belongs to one class. They are read when they are asked for, and may be asked for by several goroutines at once.
type Set interface {
	Name() string
	Labels() []string                        // the classes' names by number
	Len() int                                // pictures
	Class(i int) int                         // the number of picture i's class
	Picture(i int) (*imaging.Picture, error) // the error names the picture
	Close() error
}

// Open opens "emoji", the embedded test pictures, each of its own name; or a folder of one of these kinds. A relative path is looked up in the working
// directory, then in the repository and its datasets/ folder. The labels are those of label_cn.txt where that lies in the folder, which is how
// ELEVATER's sets with Chinese labels come.
//
//	test/0/a.jpg …  label_cn.txt           ELEVATER: a folder for each class below test
//	test.bin  fine_label_names.txt         the binary version of CIFAR-100
//	猫/a.jpg  狗/b.jpg …                    a folder for each class; without label_cn.txt the folders' names are the labels
func Open(path string) (Set, error) {
	if path == "emoji" {
		data, err := dataset.Open(path)
		if err != nil {
			return nil, err
		}
		return ByCaption(data.Test, nil), nil
	}
	dir := repo.Find(path)
	var labels []string
	if file := filepath.Join(dir, "label_cn.txt"); isFile(file) {
		var err error
		if labels, err = ReadLabels(file); err != nil {
			return nil, err
		}
	}
	if isFile(filepath.Join(dir, "test.bin")) {
		return openCIFAR100(dir, "test", labels)
	}
	// A folder of classes may have a class that is called test: it is ELEVATER's only with folders below it.
	if test := filepath.Join(dir, "test"); hasFolders(test) {
		dir = test
	}
	return openClassFolders(dir, labels)
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func hasFolders(dir string) bool {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() })
}
