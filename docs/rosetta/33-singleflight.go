//go:build ignore

// singleflight.Group
package main

import (
	"fmt"

	"golang.org/x/sync/singleflight"
)

func main() {
	calls := 0
	start := make(chan bool)
	load := func() (any, error) {
		<-start
		calls++
		return "ada", nil
	}
	// #region show
	var users singleflight.Group
	first := users.DoChan("7", load)
	second := users.DoChan("7", load)
	// #endregion
	close(start)
	<-first
	<-second
	fmt.Println("2 callers,", calls, "call")
}
