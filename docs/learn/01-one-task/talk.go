// Two goroutines that work until they are stopped: a reading of slide 12 of the talk.
package main

// #region program
import (
	"context"
	"fmt"
	"sync"
	"time"
)

func work(ctx context.Context, name string) {
	for step := 1; ; step++ {
		select {
		case <-time.After(20 * time.Millisecond):
			fmt.Printf("%s: step %d\n", name, step)
		case <-ctx.Done():
			fmt.Printf("%s stops: %v\n", name, ctx.Err())
			return
		}
	}
}

func main() {
	first, cancel := context.WithCancel(context.Background())
	second, release := context.WithTimeout(context.Background(), 90*time.Millisecond)
	defer release()

	var wg sync.WaitGroup
	wg.Add(2)
	go func() { defer wg.Done(); work(first, "first") }()
	go func() { defer wg.Done(); work(second, "second") }()

	time.Sleep(50 * time.Millisecond)
	cancel()
	wg.Wait()
	fmt.Println("both have stopped")
}

// #endregion
