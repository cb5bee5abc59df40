// The programs of ../harness/rows.mjs in Go, in its usual way. One operation here is one operation in every contender.
//
//	bench ROW [SIZE]   takes one sample and prints one line of JSON
//	bench --list       prints the ids of the rows
//	bench --version    prints the version of Go
//
// SLICE (ms, 8) and SLICES (14) in the environment say how much is measured, as in ../sample.mjs. Two rows are not here: "signal",
// for Go has nothing like an AbortSignal, and "after-func" if Go is older than 1.21.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
)

// A row knows how to measure itself. The size is 0 where the row has none.
type row struct {
	id      string
	measure func(size int) result
}

// A result is "ns", "bytes", "rate" or "late", and how much of it.
type result map[string]float64

var rows []row

func add(id string, measure func(size int) result) {
	rows = append(rows, row{id, measure})
}

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fail("usage: bench ROW [SIZE] | --list | --version")
	}
	switch id := os.Args[1]; id {
	case "--list":
		for _, row := range rows {
			fmt.Println(row.id)
		}
	case "--version":
		fmt.Println(runtime.Version())
	default:
		sample(id, os.Args[2:])
	}
}

func sample(id string, args []string) {
	size := 0
	if len(args) > 0 {
		var err error
		if size, err = strconv.Atoi(args[0]); err != nil || size < 1 {
			fail("the size must be a whole number from 1, not " + args[0])
		}
	}
	for _, row := range rows {
		if row.id == id {
			check(json.NewEncoder(os.Stdout).Encode(row.measure(size)))
			return
		}
	}
	fail("there is no row " + id)
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(reason string) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(1)
}
