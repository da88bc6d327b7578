import shelf.{ Board, Drawer, Row }
import zoo.{ Ant, Bee }

object Shop
