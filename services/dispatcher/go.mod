module github.com/fertig-project/fertig/services/dispatcher

go 1.26.0

require (
	github.com/fertig-project/fertig/shared v0.0.0
	github.com/sony/gobreaker/v2 v2.4.0
	go.uber.org/goleak v1.3.0
)

require pgregory.net/rapid v1.3.0

replace github.com/fertig-project/fertig/shared => ../../shared
