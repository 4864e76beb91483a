package diagnosis

import (
	"fmt"
	"strings"
)

// span is a duration for people.
func span(seconds float64) string {
	switch {
	case seconds < 0.0095:
		return fmt.Sprintf("%.1f ms", seconds*1e3)
	case seconds < 0.95:
		return fmt.Sprintf("%.0f ms", seconds*1e3)
	case seconds < 9.5:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", seconds), ".0") + " s"
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 7200:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}
