package deploy_test

import (
	"testing"

	"clipnb/clipkit/internal/limit"
)

func TestMain(m *testing.M) { limit.Main(m) }
