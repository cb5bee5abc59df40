//go:build ignore

// A timeout in a select
package main

import (
	"fmt"
	"time"
)

func main() {
	answers := make(chan string)
	// #region show
	select {
	case answer := <-answers:
		fmt.Println(answer)
	case <-time.After(5 * time.Millisecond):
		fmt.Println("too late")
	}
	// #endregion
}
