"""A workbook with formulas, styles, a merged cell and a chart, written and read back."""
# packages: openpyxl
# image: text
import datetime as dt
import io

from openpyxl import Workbook, load_workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Font, PatternFill


def work():
    book = Workbook()
    sheet = book.active
    sheet.title = "Sales"
    sheet.append(["day", "sold", "price"])
    for i in range(300):
        sheet.append([dt.date(2024, 1, 1) + dt.timedelta(days=i), i * 3, i / 4])
    sheet["E1"] = "=SUM(B2:B301)"
    sheet["E1"].font = Font(bold=True)
    sheet["E1"].fill = PatternFill("solid", fgColor="FFFF00")
    sheet.merge_cells("G1:H2")
    chart = BarChart()
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=20), titles_from_data=True)
    sheet.add_chart(chart, "J2")
    file = io.BytesIO()
    book.save(file)
    again = load_workbook(io.BytesIO(file.getvalue()))["Sales"]
    return {
        "rows": again.max_row,
        "last": [str(cell.value) for cell in again[301]][:3],
        "formula": again["E1"].value,
        "bold": again["E1"].font.bold,
        "merged": [str(cells) for cells in again.merged_cells.ranges],
        "charts": len(again._charts),
    }
