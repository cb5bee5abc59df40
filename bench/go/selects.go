package main

// Selects: the other side is a goroutine for each channel, as in the rows of the channels.

import "context"

func init() {
	add("select-2", timed(just(selectOf2)))
	add("select-10", timed(just(selectOf10)))
	add("select-sends", timed(just(selectSends)))
	add("select-ready", timed(just(selectReady)))
	add("select-default", timed(just(selectDefault)))
	add("select-ctx", timed(just(selectWithContext)))
}

// sources are k channels, into which n values are sent in all.
func sources(k, n int) []chan int {
	all := make([]chan int, k)
	for i := range all {
		all[i] = make(chan int)
		go sendAll(all[i], n/k)
	}
	return all
}

func selectOf2(n int) {
	from := sources(2, n)
	a, b := from[0], from[1]
	for i := 0; i < n; i++ {
		select {
		case <-a:
		case <-b:
		}
	}
}

func selectOf10(n int) {
	from := sources(10, n)
	a, b, c, d, e := from[0], from[1], from[2], from[3], from[4]
	f, g, h, j, k := from[5], from[6], from[7], from[8], from[9]
	for i := 0; i < n; i++ {
		select {
		case <-a:
		case <-b:
		case <-c:
		case <-d:
		case <-e:
		case <-f:
		case <-g:
		case <-h:
		case <-j:
		case <-k:
		}
	}
}

func selectSends(n int) {
	a, b := make(chan int), make(chan int)
	for _, ch := range []chan int{a, b} {
		go func(ch <-chan int) {
			for i := 0; i < n/2; i++ {
				<-ch
			}
		}(ch)
	}
	for i := 0; i < n; i++ {
		select {
		case a <- i:
		case b <- i:
		}
	}
}

func selectReady(n int) {
	a, b := make(chan int, 1), make(chan int, 1)
	for i := 0; i < n; i++ {
		a <- i
		select {
		case <-a:
		case <-b:
		}
	}
}

func selectDefault(n int) {
	a, b := make(chan int), make(chan int)
	for i := 0; i < n; i++ {
		select {
		case <-a:
		case <-b:
		default:
		}
	}
}

func selectWithContext(n int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	from := sources(2, n)
	a, b := from[0], from[1]
	for i := 0; i < n; i++ {
		select {
		case <-a:
		case <-b:
		case <-ctx.Done():
			return
		}
	}
}
