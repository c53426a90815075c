# unittest: suites, subtests, skips, expected failures, mocks.
import io
import unittest
from unittest import mock


class Sums(unittest.TestCase):
    def setUp(self):
        self.numbers = [1, 2, 3]

    def test_pass(self):
        self.assertEqual(sum(self.numbers), 6)
        self.assertAlmostEqual(0.1 + 0.2, 0.3)
        with self.assertRaisesRegex(ZeroDivisionError, "division"):
            1 / 0

    def test_fail(self):
        self.assertEqual([1, 2], [1, 3])

    def test_error(self):
        self.numbers["x"]

    @unittest.skip("not now")
    def test_skipped(self): ...

    @unittest.expectedFailure
    def test_expected(self):
        self.fail()

    def test_sub(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertNotEqual(n, 1)


suite = unittest.defaultTestLoader.loadTestsFromTestCase(Sums)
outcome = unittest.TextTestRunner(stream=io.StringIO(), verbosity=2).run(suite)
print(outcome.testsRun, len(outcome.failures), len(outcome.errors), len(outcome.skipped), len(outcome.expectedFailures))
print([text.strip().splitlines()[-1] for _, text in outcome.errors])
service = mock.Mock(spec=["fetch"], **{"fetch.side_effect": [1, KeyError("x")]})
print(service.fetch("a", b=2), service.fetch.call_args)
try:
    service.fetch()
except KeyError:
    print(service.mock_calls)
with mock.patch("os.getcwd", return_value="/patched"):
    import os

    print(os.getcwd())
outcome.wasSuccessful()
