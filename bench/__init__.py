"""What a filter costs, side by side on one real smtpd, on loopback inside one container.

    make bench              everything, about ten minutes, into bench/results.md
    make bench QUICK=1      fewer and shorter rounds, about two minutes
    bench/run --only verify --load 4k-10 --skip stuck --skip memory

It measures and reports; what is right is for the tests to say.
"""
