package main

import "fmt"

// size is a number of bytes as people read it.
func size(n int64) string {
	const units = "KMGT"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), byte(0)
	for i := 0; i < len(units) && value >= 1<<10; i++ {
		value, unit = value/(1<<10), units[i]
	}
	return fmt.Sprintf("%.1f %ciB", value, unit)
}
