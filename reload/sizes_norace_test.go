//go:build !race

package reload

const manyStreams, mostPerStream = 10_000, 32 << 10
