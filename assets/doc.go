// Package assets holds the data that is compiled into every clipkit program, so that it runs without network and downloads. A notebook's cells, which are
// built with -tags clipkit_cell, read emoji set and small model from the checkout instead: a cell is linked each time that it runs.
//
//	Vocab     the Chinese BERT vocabulary, 21128 entries, one a line; the line number from 0 is the token id
//	Emoji     a small picture–caption set in Chinese-CLIP's raw layout (SPLIT_imgs.tsv, SPLIT_texts.jsonl)
//	SmallModel  the weights of the small "emoji" model
//	ECharts   the chart script that notebook pages include; EChartsPacked, as it is embedded
//	Notices   whose work all this is, and under which licence
//
// # The emoji set
//
// OpenMoji drawings with Chinese captions made from the Unicode CLDR names and keywords:
//
//	fsys, err := assets.Emoji()
//	if err != nil {
//		return err
//	}
//	pictures, err := fsys.Open("test_imgs.tsv")
//
// The files are SPLIT_imgs.tsv (picture id, TAB, base64 of a PNG) and SPLIT_texts.jsonl (text_id, text, image_ids)
// for the splits train (1202 pictures), valid (150) and test (500). A picture has 64×64 pixels on white and at most
// 256 colours; PNG, because JPEG decoders differ in the last bit. Each has five captions and each caption one picture:
//
//	熊猫 · 熊猫的表情符号 · 熊猫，脸、头、熊猫脸 · 脸：熊猫 · 与头有关的熊猫
//
// Ids are unique over all splits: a picture is style*10000 + n and a text is n*10 + caption number, where n counts the
// emoji and style is 4 for OpenMoji. No emoji is in two splits, so the set measures retrieval of unseen drawings, not
// of unseen words. OpenMoji draws some pairs alike: 8 test pictures equal a train picture of another name (厨师 and
// 男厨师), 2 more a valid one, and no model can tell those apart.
//
// # Making the data again
//
//	python3 assets/generate/emoji.py      emoji/emoji.zip, and datasets/emoji-{styles,more,words,lines,hands}/ (pretraining, not committed)
//	python3 assets/generate/echarts.py    echarts.min.js.gz
//
// Both take npm packages whose versions, licences and hashes are in generate/packages.json, and stop when a hash
// differs. Two runs write the same bytes; another version of Python's zlib may pack the same content differently.
//
// datasets/emoji-styles/ has the same layout with a train split only: 8265 pictures of 1911 emoji in five other styles
// (google 1, twitter 2, fluent-3d 3, noto-v1 5, emojione 6), where a caption lists the pictures of all its styles.
//
// datasets/emoji-more/ has 18,318 pictures: the same with a margin, three more styles (fluent-emoji-flat 7, fxemoji 8,
// streamline-emojis 9), and five of the eight a second time with black lines along the edges (11, 12, 16, 17, 18). Its
// 24,747 captions are names in templates, keywords in many combinations and alone, and the groups of the emoji set; each lists
// all pictures of which it is true (generate/captions.py). datasets/emoji-words/ has the same pictures with 9,660 captions: all keywords and groups, each
// alone as people type them, which half of the pairs have, and names.
//
// datasets/emoji-lines/ has 27,962 pictures with those captions: ten sets more, most of them of lines (noto-emoji 10, emojione-v1 13,
// fluent-emoji-high-contrast 14, icon-park 15, game-icons 19, mdi 21, hugeicons 22, ph 23, tabler 24, lucide 25), and six of
// them a second time with colours between the lines, which are those of google's picture at the same place (30, 35, 42 to 45).
//
// datasets/emoji-hands/ has 38,009 pictures with those captions: eighteen sets more (26, 50 to 66; generate/pictures.py names them), drawings of lines with
// colours of one of four painters, those and thirteen more (20 more than the set's number), and eight sets of black areas a second time in the colour that
// such a painter's picture has at the same place (80 more).
//
// Some styles name their files in English only; generate/pictures.py matches the names, and after any change there
// .tools/emoji-sheet.png is to be looked at.
//
// # Errors and limits
//
// What is embedded is checked by the tests of this package. Emoji and ECharts fail only in a damaged program, with an
// error that says which file is damaged. emoji.zip stays under 5 MB.
package assets
