package main

import "testing"

func TestSeries(t *testing.T) {
	s := series{3, 1, 2, 10}
	if got := s.median(); got != 2.5 {
		t.Errorf("median %v", got)
	}
	if got := s.percentile(50); got != 2 {
		t.Errorf("p50 %v", got)
	}
	if got := s.percentile(99); got != 10 {
		t.Errorf("p99 %v", got)
	}
	if got := s.show(whole); got != "3 (1–10)" {
		t.Errorf("shown as %q", got)
	}
	if got := (series{2.1, 1.9, 2}).show(whole); got != "2" {
		t.Errorf("rounds that show the same are shown as %q", got)
	}
	if got := (series{4, 9}).against(series{2, 3}).show(times); got != "2.6x (1.6x–3.6x)" {
		t.Errorf("ratios %q", got)
	}
	if got := group(1234567); got != "1,234,567" {
		t.Errorf("grouped %q", got)
	}
}

func TestValuesSayWhoWroteThem(t *testing.T) {
	v := newValues()
	for _, n := range []int{0, 7, 12_345_678} {
		value := v.value(63, n)
		writer, number, err := parseValue([]byte(value))
		if err != nil || writer != 63 || number != n {
			t.Errorf("value %d reads as writer %d, number %d, %v", n, writer, number, err)
		}
	}
	if _, _, err := parseValue([]byte("yes")); err == nil {
		t.Error("a short value is taken for one of ours")
	}
	share, err := v.compressed()
	if err != nil || share < 0.4 || share > 0.6 {
		t.Errorf("values compress to %.2f of their size, %v; want about half", share, err)
	}
}
