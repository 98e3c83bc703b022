module github.com/fertig-project/fertig/services/amazonsim

go 1.26.0
