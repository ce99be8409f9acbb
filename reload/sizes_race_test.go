//go:build race

package reload

// manyStreams is lower with the race detector, which has a limit of 8128 goroutines and takes memory of its own.
const manyStreams, mostPerStream = 1000, 64 << 10
