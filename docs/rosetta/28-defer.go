//go:build ignore

// defer
package main

import (
	"fmt"
	"strings"
)

func main() {
	steps := []string{}
	add := func(step string) { steps = append(steps, step) }
	open := func() func() {
		add("open")
		return func() { add("close") }
	}
	// #region show
	func() {
		closeFile := open()
		defer closeFile()
		add("work")
	}()
	// #endregion
	fmt.Println(strings.Join(steps, " "))
}
