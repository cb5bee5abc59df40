//go:build ignore

// time.AfterFunc, Timer.Stop
package main

import (
	"fmt"
	"time"
)

func main() {
	remind := func() { panic("too early") }
	// #region show
	timer := time.AfterFunc(time.Minute, remind)
	inTime := timer.Stop()
	// #endregion
	fmt.Println("stopped in time:", inTime)
}
