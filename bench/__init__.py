"""What a filter costs, and a mailbox, side by side on loopback inside one container.

    make bench              everything, about ten minutes, into bench/results.md
    make bench QUICK=1      fewer and shorter rounds, about three minutes
    bench/run --only verify --load 4k-10 --skip stuck --skip memory
    bench/run --only dns

It measures and reports; what is right is for the tests to say.
"""
