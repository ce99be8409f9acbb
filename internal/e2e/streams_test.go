package e2e

import "testing"

func testStreams(t *testing.T, b browser) {}
