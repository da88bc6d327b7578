import shelf.{ Board, Row }
import zoo.{ Ant, Bee }

object Shop
