package tokenizer_test

import (
	"fmt"

	"clipnb/clipkit/tokenizer"
)

func Example() {
	ids, cut, err := tokenizer.Default().Tokenize([]string{"杰尼龟", "皮卡丘和小火龙"}, 8)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ids[:8])
	fmt.Println(ids[8:], "cut:", cut)
	// Output:
	// [101 3345 2225 7991 102 0 0 0]
	// [101 4649 1305 687 1469 2207 4125 102] cut: [1]
}

func ExampleTokenizer_Pieces() {
	fmt.Printf("%q\n", tokenizer.Default().Pieces("iPhone15 手机壳"))
	// Output: ["iphone" "##15" "手" "机" "壳"]
}

func ExamplePrepare() {
	fmt.Println(tokenizer.Prepare("他说：“Hello”"))
	// Output: 他说："hello"
}
