package main

// What must not grow: the cost of one operation beside size others.

import (
	"context"
	"math/rand"
	"reflect"
	"runtime"
)

func init() {
	add("scale-receivers", timed(firstOfReceivers))
	add("scale-withdraw", timedAtSize(withdraw))
	add("scale-children", timedAtSize(cancelParent))
	add("scale-siblings", timed(besideSiblings))
	add("scale-deadlines", timed(besideDeadlines(0)))
	add("scale-cases", timed(selectOfSize))
	add("scale-tasks", timedAtSize(just(groupOf(10))))
	add("scale-buffer", timedAtSize(just(fillAndDrain)))
}

// After each value its receiver gets the time to take it, and to wait again behind the others.
func firstOfReceivers(n, size int) (run, after func()) {
	ch := make(chan int)
	ended := waiting(size, func(int) {
		for range ch {
		}
	})
	run = func() {
		for i := 0; i < n; i++ {
			ch <- i
			runtime.Gosched()
		}
	}
	after = func() {
		close(ch)
		ended()
	}
	return run, after
}

// A goroutine that gives up takes its leave from the channel itself, so this is timed until the last has done so.
func withdraw(n, _ int) (run, after func()) {
	ch := make(chan int)
	contexts := make([]context.Context, n)
	cancels := make([]context.CancelFunc, n)
	for i := range contexts {
		contexts[i], cancels[i] = context.WithCancel(context.Background())
	}
	ended := waiting(n, func(i int) {
		select {
		case <-ch:
		case <-contexts[i].Done():
		}
	})
	rand.Shuffle(n, func(i, j int) { cancels[i], cancels[j] = cancels[j], cancels[i] })
	return func() {
		for _, cancel := range cancels {
			cancel()
		}
		ended()
	}, nothing
}

// A select statement has its cases in the source; one of any number is made by reflect, which allows 65 536.
const mostCases = 65_536

func selectOfSize(n, size int) (run, after func()) {
	if size > mostCases {
		fail("a select of Go has at most 65 536 cases")
	}
	chans := make([]chan int, size)
	cases := make([]reflect.SelectCase, size)
	for i := range chans {
		chans[i] = make(chan int)
		cases[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(chans[i])}
	}
	return func() {
		ended := waiting(1, func(int) {
			for i := 0; i < n; i += size {
				reflect.Select(cases)
			}
		})
		for i := 0; i < n; i += size {
			chans[i/size%size] <- i
			// The select gets the time to return, and the next one to wait.
			runtime.Gosched()
		}
		ended()
	}, nothing
}

func fillAndDrain(n int) {
	ch := make(chan int, n)
	sendAll(ch, n)
	for i := 0; i < n; i++ {
		<-ch
	}
}
